// Sort and filter tables, switch between metrics, copy the signature.
// The document contains all rows when it is loaded. Of many rows only the first ones stay in it; sorting and filtering replace them.
(() => {
  "use strict";
  const WINDOW = 200;
  const PRINTED = 2000; // rows, about 30 printed pages
  const byId = (id) => document.getElementById(id);
  const made = (tag, properties) => Object.assign(document.createElement(tag), properties);

  const table = byId("all");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const place = new Map(rows.map((row, index) => [row.id, index]));
  const heads = Array.from(table.tHead.rows[0].cells);
  const find = byId("find");
  const label = byId("label");
  const count = byId("count");
  const more = byId("more");
  const collator = new Intl.Collator("en", { numeric: true });
  const words = rows.map((row) => {
    const cells = row.cells;
    return `${cells[0].textContent}\n${cells[1].textContent}\n${cells[cells.length - 1].textContent}`.toLowerCase();
  });
  const labels = rows.map((row) => row.dataset.label);
  const keys = new Map();
  let order = rows.map((_, index) => index);
  let shown = order;
  let most = WINDOW;

  const keysOf = (column) => {
    if (!keys.has(column)) {
      keys.set(column, Float64Array.from(rows, (row) => {
        const value = row.cells[column].dataset.v;
        return value === undefined ? NaN : Number(value);
      }));
    }
    return keys.get(column);
  };

  const show = () => {
    body.replaceChildren(...shown.slice(0, most).map((index) => rows[index]));
    const all = rows.length.toLocaleString("en");
    count.textContent = shown.length === rows.length ? `${all} rows` : `${shown.length.toLocaleString("en")} of ${all} rows`;
    more.hidden = shown.length <= most;
    if (!more.hidden) {
      more.firstChild.data = `The first ${most.toLocaleString("en")} are shown. `;
    }
  };

  const filter = () => {
    const wanted = find.value.trim().toLowerCase();
    const chosen = label ? label.value : "";
    shown = order.filter((index) => (!chosen || labels[index] === chosen) && (!wanted || words[index].includes(wanted)));
    most = WINDOW;
    show();
  };

  const sort = (column) => {
    const descending = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
    const sign = descending ? -1 : 1;
    const indices = rows.map((_, index) => index);
    if (column === heads.length - 1) {
      const texts = rows.map((row) => row.cells[column].textContent);
      indices.sort((a, b) => !texts[a] - !texts[b] || sign * collator.compare(texts[a], texts[b]) || a - b);
    } else {
      const values = keysOf(column);
      indices.sort((a, b) => {
        const one = values[a];
        const other = values[b];
        if (one === other) return a - b;
        if (one !== one) return other !== other ? a - b : 1; // rows without a value come last in both directions
        return other !== other ? -1 : sign * (one < other ? -1 : 1);
      });
    }
    order = indices;
    filter();
    table.parentElement.scrollTop = 0;
  };

  heads.forEach((head, column) => {
    const button = made("button", { type: "button" });
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
  });
  more.append(document.createTextNode(""), made("button", { type: "button", className: "plain", textContent: "Show all" }));
  more.lastChild.addEventListener("click", () => {
    most = Infinity;
    show();
  });
  // printed pages have more rows and no folded parts
  const settings = document.querySelector("details");
  let before;
  addEventListener("beforeprint", () => {
    before = { most, open: settings.open };
    most = Math.max(most, PRINTED);
    settings.open = true;
    show();
  });
  addEventListener("afterprint", () => {
    most = before.most;
    settings.open = before.open;
    show();
  });
  find.addEventListener("input", filter);
  if (label) label.addEventListener("change", filter);
  byId("filters").hidden = false;
  show();

  // one metric at a time
  const panels = Array.from(document.querySelectorAll(".panel"));
  const tabs = panels.map((panel) =>
    made("button", { type: "button", id: `${panel.id}-t`, textContent: panel.dataset.token }));
  const choose = (chosen) => panels.forEach((panel, index) => {
    panel.hidden = index !== chosen;
    tabs[index].setAttribute("aria-selected", String(index === chosen));
    tabs[index].tabIndex = index === chosen ? 0 : -1;
  });
  if (panels.length > 1) {
    const list = made("div", { className: "tabs" });
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-labelledby", "metrics");
    list.append(...tabs);
    panels[0].parentElement.before(list);
    tabs.forEach((tab, index) => {
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panels[index].id);
      panels[index].setAttribute("role", "tabpanel");
      tab.addEventListener("click", () => choose(index));
      tab.addEventListener("keydown", (event) => {
        const steps = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 };
        if (!(event.key in steps)) return;
        event.preventDefault();
        const next = steps[event.key] % tabs.length;
        choose(next);
        tabs[next].focus();
      });
    });
    choose(0);
  }

  // a link to a row also finds it if it is filtered out
  const follow = () => {
    const index = place.get(location.hash.slice(1));
    if (index === undefined) return;
    if (!shown.includes(index)) {
      find.value = "";
      if (label) label.value = "";
      filter();
    }
    if (!rows[index].isConnected) {
      most = Math.max(most, shown.indexOf(index) + WINDOW / 2);
      show();
    }
    body.querySelectorAll(".found").forEach((row) => row.classList.remove("found"));
    rows[index].classList.add("found");
    rows[index].scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) follow();
  });
  follow();

  const signature = byId("signature");
  const copy = made("button", { type: "button", className: "plain", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    getSelection().selectAllChildren(signature);
    let done = false;
    try {
      await navigator.clipboard.writeText(signature.textContent);
      done = true;
    } catch {
      done = document.execCommand("copy"); // a page opened from a file may have no clipboard
    }
    copy.textContent = done ? "Copied" : "Selected";
  });
  signature.after(copy);
})();
