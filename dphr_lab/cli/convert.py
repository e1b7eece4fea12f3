"""`dphr convert`: a peer's own weights as an encoder that the other commands read."""

from pathlib import Path

from dphr_lab.cli.flags import check_out, command, name_and_value, positive

PEERS = ("sample4geo", "mccg", "lpn")  # of models.peers.PEERS


def add(commands) -> None:
    parser = command(
        commands,
        "convert",
        run,
        "read weights that Sample4Geo's, MCCG's or LPN's public code wrote; "
        "dphr evaluate --checkpoint reads the result",
    )
    parser.add_argument("file", type=Path, help="the peer's .pth, .pt or .safetensors file")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="the folder to write"
    )
    parser.add_argument("--host", required=True, choices=PEERS, help="whose code wrote the file")
    parser.add_argument("--backbone", metavar="NAME", help="a timm name (default: the published)")
    parser.add_argument(
        "--image-px", type=positive, metavar="N", help="side of images (default: the published)"
    )
    parser.add_argument(
        "--host-options",
        nargs="+",
        type=name_and_value,
        default=[],
        metavar="NAME=VALUE",
        help="keywords of the host's class that the file does not tell, such as last_stride=null",
    )


def run(args) -> int:
    check_out("--to", args.to, folder=True)
    from dphr_lab.models.peers import convert

    done = convert(
        args.file, args.to, args.host, args.backbone, args.image_px, dict(args.host_options)
    )
    left_out = done["left_out"]
    print(
        f"{args.to}: {done['host']} on {done['backbone']} at {done['image_px']} px, "
        f"{done['parameters']:,} parameters in {done['tensors']} tensors"
    )
    if left_out:
        print(f"left out: {len(left_out)} tensors without use here, such as {left_out[0]}")
    print(f"evaluate: dphr evaluate --checkpoint {args.to} --data ROOT")
    return 0
