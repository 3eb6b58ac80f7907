"use strict";
// Tables of a report: a click on a heading sorts, a field above searches. Rows are moved and hidden, and nothing is made
// of text.
(() => {
  const UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };
  const collator = new Intl.Collator("en", { numeric: true });

  const numberOf = (text) => {
    const parts = /^(-?[0-9.]+)(?: (B|[KMGT]iB))?$/.exec(text);
    return parts ? Number(parts[1]) * (parts[2] ? UNITS[parts[2]] : 1) : null;
  };

  const compare = (one, other) => {
    const [left, right] = [numberOf(one), numberOf(other)];
    if (left !== null && right !== null) return left - right;
    if (left !== null || right !== null) return left !== null ? 1 : -1;
    return collator.compare(one, other);
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const falling = heading.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const keyed = rows.map((row) => [row, row.cells[column].textContent]);
        keyed.sort((one, other) => compare(one[1], other[1]) * (falling ? -1 : 1));
        const sorted = document.createDocumentFragment();
        for (const [row] of keyed) sorted.append(row);
        body.append(sorted);
      });
    });
    return rows;
  };

  const searchable = (table, rows) => {
    const label = document.createElement("label");
    label.className = "filter";
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "Search these rows";
    field.spellcheck = false;
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    label.append("Search ", field, " ", status);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        const fits = words.every((word) => texts[index].includes(word));
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      status.textContent = words.length ? `${shown} of ${rows.length}` : "";
    });
    table.parentElement.before(label);
  };

  for (const table of document.querySelectorAll("table.data")) {
    if (table.tBodies[0].rows.length > 1) {
      const rows = sortable(table);
      if (rows.length > 5) searchable(table, rows);
    }
  }

  // On paper everything is open.
  window.addEventListener("beforeprint", () => {
    for (const story of document.querySelectorAll("details.story")) story.open = true;
  });
})();
