"use strict";
(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

  const compareBy = (column, kind, descending) => (a, b) => {
    const [x, y] = [valueOf(a, column), valueOf(b, column)];
    // what is not defined stays last in both directions
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = kind === "number" ? Number(x) - Number(y) : collator.compare(x, y);
    return descending ? -order : order;
  };

  const sortBy = (table, header, status) => {
    const descending = header.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    // rows that compare as equal keep the order they have
    const rows = [...body.rows].sort(compareBy(header.cellIndex, header.dataset.sort, descending));
    body.append(...rows);
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const name = header.textContent.trim();
    status.textContent = `Sorted by ${name}, ${descending ? "descending" : "ascending"}.`;
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const status = document.getElementById(table.dataset.sortable);
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sortBy(table, header, status));
    }
  }

  const copied = async (source) => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      return true;
    } catch {
      // no permission, or an older browser: select the text, and let the page's own copy try
      getSelection().selectAllChildren(source);
      return document.execCommand("copy");
    }
  };

  for (const button of document.querySelectorAll("button[data-copies]")) {
    const source = document.getElementById(button.dataset.copies);
    const status = document.getElementById(button.dataset.says);
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copied(source);
      status.textContent = done ? "Copied." : "Selected; press Ctrl+C to copy.";
    });
  }

  // what is folded away on the screen belongs on paper
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details:not([open])")) {
      folded.open = true;
      folded.dataset.folded = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const folded of document.querySelectorAll("details[data-folded]")) {
      folded.open = false;
      delete folded.dataset.folded;
    }
  });
})();
