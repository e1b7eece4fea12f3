/* Subsections as tabs: of every section that holds the comment <!-- tabs -->.
 *
 * The source stays plain headings, which Jupyter and Colab show one below the other, and so does
 * a page without scripts or on paper. A link to a subsection, or to what is in it, opens its tab.
 */
(() => {
  const marked = () => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_COMMENT), found = [];
    while (walk.nextNode())
      if (walk.currentNode.data.trim() === "tabs")
        found.push(walk.currentNode.parentElement.closest("section"));
    return found;
  };

  const title = (panel) => {
    const heading = panel.querySelector("h1, h2, h3, h4, h5, h6").cloneNode(true);
    heading.querySelectorAll(".headerlink").forEach((link) => link.remove());
    return heading.textContent.trim();
  };

  const makeTab = (panel) => {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", role: "tab", id: `${panel.id}-tab` });
    tab.textContent = title(panel);
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  };

  const makeTabs = (section) => {
    const panels = [...section.querySelectorAll(":scope > section")];
    if (panels.length < 2) return;
    const tabs = panels.map(makeTab), list = document.createElement("div");
    list.className = "tabs";
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", title(section));
    const open = (chosen) => tabs.forEach((tab, k) => {
      tab.setAttribute("aria-selected", k === chosen);
      tab.tabIndex = k === chosen ? 0 : -1;
      panels[k].hidden = k !== chosen;
    });
    tabs.forEach((tab, k) => tab.addEventListener("click", () => open(k)));
    list.addEventListener("keydown", (event) => {
      const at = tabs.indexOf(event.target);
      const keys = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 };
      if (!(event.key in keys)) return;
      event.preventDefault();
      const next = (keys[event.key] + tabs.length) % tabs.length;
      open(next);
      tabs[next].focus();
    });
    const follow = () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      const at = panels.findIndex((panel) => panel.contains(target));
      if (target === null || at < 0) return;
      open(at);
      target.scrollIntoView();
    };
    list.append(...tabs);
    panels[0].before(list);
    open(0);
    addEventListener("hashchange", follow);
    follow();
  };

  document.addEventListener("DOMContentLoaded", () => marked().forEach(makeTabs));
})();
