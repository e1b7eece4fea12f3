"""Sets with positions, on files written in their layouts."""

import json

import pytest
from PIL import Image

from dphr_lab.datasets.positions import read_dense_uav, read_gta_uav, read_uav_visloc


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def test_dense_uav(tmp_path):
    names = ["train/drone/000001/H80.JPG", "train/satellite/000001/H80.tif"]
    for name in names:
        image(tmp_path / name)
    names.append("test/query_drone/002251/H100.JPG")
    lines = [f"{name} E120.387250 N30.324290 {80.5 + i}" for i, name in enumerate(names)]
    (tmp_path / "Dense_GPS_ALL.txt").write_text("\n".join(lines) + "\n\n", "utf-8")
    found = read_dense_uav(tmp_path)
    assert [i.place for i in found.drone] == ["000001", "002251"]
    first = found.drone[0]
    assert (first.lat, first.lon, first.height_m) == (30.32429, 120.38725, 80.5)
    assert found.satellite[0].path == tmp_path / names[1]
    assert found.missing == (tmp_path / names[2],)
    assert "1 listed files missing" in str(found)
    (tmp_path / "Dense_GPS_test.txt").write_text("a.jpg W10.5 S30.25 90\n", "utf-8")
    (south,) = read_dense_uav(tmp_path, "test").drone
    assert (south.lat, south.lon) == (-30.25, -10.5)


def test_dense_uav_that_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="DenseUAV's list of positions"):
        read_dense_uav(tmp_path)
    (tmp_path / "Dense_GPS_ALL.txt").write_text("a.jpg E1 N2 3\nb.jpg 120 30 4\n", "utf-8")
    with pytest.raises(ValueError, match=r"line 2: found 'b.jpg 120 30 4'; expected <path> E<lon"):
        read_dense_uav(tmp_path)
    with pytest.raises(ValueError, match="part is 'val'"):
        read_dense_uav(tmp_path, "val")


def visloc(root):
    (root / "satellite_ coordinates_range.csv").write_text(
        "mapname,LT_lat_map,LT_lon_map,RB_lat_map,RB_lon_map,region\n"
        "satellite01.tif,29.774065,115.970635,29.702283,115.996851,Changjiang\n"
        "satellite09_01-01.tif,40.355093,115.776356,40.341475,115.794041,Huailai\n",
        "utf-8",
    )
    for number in ("01", "09"):
        image(root / number / "drone" / f"{number}_0001.JPG")
        (root / number / f"{number}.csv").write_text(
            "num,filename,date,lat,lon,height,Omega,Kappa,Phi1,Phi2\n"
            f"1,{number}_0001.JPG,2022-05-01,29.7,115.98,466.5,1.5,-0.2,-88.1,\n",
            "utf-8",
        )
    return root


def test_uav_visloc(tmp_path):
    found = read_uav_visloc(visloc(tmp_path))
    assert [m.path.relative_to(tmp_path).as_posix() for m in found.maps] == [
        "01/satellite01.tif", "09/satellite09_01-01.tif",
    ]  # fmt: skip
    assert (found.maps[0].north, found.maps[0].east) == (29.774065, 115.996851)
    assert [i.flight for i in found.drone] == ["01", "09"]
    assert found.drone[0].angles_deg == {"Omega": 1.5, "Kappa": -0.2, "Phi1": -88.1}
    assert len(found.missing) == 2  # the maps
    assert "2 drone images of 2 flights, 2 map sheets" in str(found)


def test_uav_visloc_is_a_map(tmp_path):
    """Its corners are a table that `open_map` reads."""
    pytest.importorskip("rasterio")
    from dphr_lab.localization.geomap import open_map

    root = visloc(tmp_path)
    table = root / "satellite_ coordinates_range.csv"
    table.write_text("\n".join(table.read_text("utf-8").splitlines()[:2]), "utf-8")
    image(root / "01" / "satellite01.tif")
    geomap = open_map(table, images=root / "01")
    assert geomap.bounds.holds(29.74, 115.98) and geomap.bounds.north == pytest.approx(29.774065)


def test_uav_visloc_that_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="UAV-VisLoc's table of map corners"):
        read_uav_visloc(tmp_path)
    root = visloc(tmp_path)
    (root / "01/01.csv").write_text(
        "num,filename,date,lat,lon,height\n1,a.JPG,x,29,east,4\n", "utf-8"
    )
    with pytest.raises(ValueError, match="line 2: expected numbers in lat, lon, height"):
        read_uav_visloc(root)


def gta_entry():
    return {
        "drone_img_dir": "drone/images", "drone_img_name": "100_0001_01.png",
        "drone_loc_x_y": [1500.5, -200.25], "sate_img_dir": "satellite",
        "pair_pos_sate_img_list": ["4_0_1_2.png"], "pair_pos_sate_weight_list": [0.61],
        "pair_pos_sate_loc_x_y_list": [[1490.0, -210.0]],
        "pair_pos_semipos_sate_img_list": ["4_0_1_2.png", "4_0_1_3.png"],
        "pair_pos_semipos_sate_weight_list": [0.61, 0.2],
        "pair_pos_semipos_sate_loc_x_y_list": [[1490.0, -210.0], [1560.0, -210.0]],
        "drone_metadata": {"height": 120.0, "drone_yaw": 45.0, "camera": "x"},
    }  # fmt: skip


def test_gta_uav(tmp_path):
    image(tmp_path / "drone/images/100_0001_01.png")
    path = tmp_path / "cross-area-drone2sate-test.json"
    path.write_text(json.dumps([gta_entry()]), "utf-8")
    found = read_gta_uav(tmp_path)
    (drone,) = found.drone
    assert (drone.x_m, drone.y_m, drone.height_m) == (1500.5, -200.25, 120.0)
    assert drone.angles_deg == {"drone_yaw": 45.0}
    assert len(found.satellite) == 2 and found.satellite[0].x_m == 1490.0
    (overlap,) = found.overlaps
    assert [(t.path.name, w) for t, w in overlap.semi_positives] == [
        ("4_0_1_2.png", 0.61), ("4_0_1_3.png", 0.2),
    ]  # fmt: skip
    assert overlap.positives[0][0] is found.satellite[0]


def test_gta_uav_that_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="GTA-UAV's list of pairs"):
        read_gta_uav(tmp_path)
    path = tmp_path / "cross-area-drone2sate-test.json"
    entry = gta_entry()
    del entry["drone_loc_x_y"]
    path.write_text(json.dumps([gta_entry(), entry]), "utf-8")
    with pytest.raises(ValueError, match=r"entry 1: not as expected \(KeyError: 'drone_loc_x_y'"):
        read_gta_uav(tmp_path)
    path.write_text("{no", "utf-8")
    with pytest.raises(ValueError, match="no JSON"):
        read_gta_uav(tmp_path)
    with pytest.raises(ValueError, match="area is 'far'"):
        read_gta_uav(tmp_path, "far")
