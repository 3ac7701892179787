// The table and data_table blocks. Numbers sort as numbers; a page of a data_table is a slice, never a cut.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { withEmoji } from "./emoji.js";
import { element } from "./elements.js";
import { richText } from "./richtext.js";

function cell(spec, scene) {
  if (!spec) return [];
  if (spec.type === "rich_text") return richText(spec, scene.directory);
  if (spec.type === "action" && spec.element) return [element(spec.element, scene, "")];
  return [withEmoji(spec.text ?? spec.value ?? "")];
}

const plain = (spec) => (spec?.type === "rich_text" ? richText(spec, { user: () => "", channel: () => "", group: () => "", isMe: () => false }).map((n) => n.textContent).join("") : String(spec?.text ?? spec?.value ?? ""));

function number(spec) {
  if (spec?.type === "raw_number") return Number(spec.value ?? spec.text);
  const match = /^\s*-?\d+(?:[.,]\d+)?/.exec(plain(spec));
  return match ? Number(match[0].replace(",", ".")) : Number.NaN;
}

function classes(column, spec) {
  const align = column?.align ?? (spec?.type === "raw_number" ? "right" : "left");
  return `align-${["left", "center", "right"].includes(align) ? align : "left"}${column?.is_wrapped ? " is-wrapped" : ""}`;
}

/** The table block: the first row is the head. */
export function table(block, scene) {
  const rows = (block.rows ?? []).slice(0, 101);
  const settings = block.column_settings ?? [];
  const line = (row, tag) => h("tr", {}, ...(row ?? []).slice(0, 20).map((spec, n) => h(tag, { class: classes(settings[n], spec) }, ...cell(spec, scene))));
  const [head, ...body] = rows;
  return h(
    "div",
    { class: "table-scroll" },
    h("table", { class: "table" }, head ? h("thead", {}, line(head, "th")) : null, h("tbody", {}, ...body.map((row) => line(row, "td")))),
  );
}

function compare(left, right) {
  const [a, b] = [number(left), number(right)];
  if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
  return plain(left).localeCompare(plain(right), "en", { numeric: true });
}

/** The data_table block: caption, sortable columns, pages. Order and page are remembered across updates of the message. */
export function dataTable(block, scene, index) {
  const [head = [], ...body] = block.rows ?? [];
  const size = Math.min(Math.max(Number(block.page_size) || 5, 1), 100);
  const key = `data_table:${index}`;
  const view = scene.memory.get(key) ?? { column: null, down: false, page: 0 };
  const box = h("div", { class: "data-table" });
  const draw = () => {
    scene.memory.set(key, view);
    const sorted = view.column === null ? body : body.toSorted((a, b) => compare(a[view.column], b[view.column]) * (view.down ? -1 : 1));
    const pages = Math.max(1, Math.ceil(sorted.length / size));
    view.page = Math.min(view.page, pages - 1);
    const header = head.slice(0, 20).map((spec, n) => {
      const active = view.column === n;
      const sort = () => {
        if (active && view.down) Object.assign(view, { column: null, down: false });
        else Object.assign(view, { column: n, down: active });
        view.page = 0;
        draw();
      };
      const mark = active ? icon("down", 14, view.down ? "" : "is-up") : icon("sort", 14, "is-idle");
      return h("th", { class: classes(null, body[0]?.[n]), "aria-sort": active ? (view.down ? "descending" : "ascending") : "none" }, h("button", { type: "button", class: "sorter", on: { click: sort } }, ...cell(spec, scene), mark));
    });
    const slice = sorted.slice(view.page * size, view.page * size + size);
    const line = (row) => h("tr", {}, ...row.slice(0, 20).map((spec, n) => h(n === block.row_header_column_index ? "th" : "td", { class: classes(null, spec) }, ...cell(spec, scene))));
    const turn = (step, label, glyph) =>
      h("button", { type: "button", class: "btn btn-icon btn-small", "aria-label": label, disabled: view.page + step < 0 || view.page + step >= pages, on: { click: () => ((view.page += step), draw()) } }, icon(glyph, 14, step < 0 ? "is-back" : ""));
    const from = sorted.length ? view.page * size + 1 : 0;
    box.replaceChildren(
      h("div", { class: "data-caption" }, withEmoji(block.caption)),
      h("div", { class: "table-scroll" }, h("table", { class: "table" }, h("thead", {}, h("tr", {}, ...header)), h("tbody", {}, ...slice.map(line)))),
      pages > 1 ? h("div", { class: "pager" }, h("span", {}, `${from}–${Math.min(from + size - 1, sorted.length)} of ${sorted.length}`), turn(-1, "Previous page", "chevron"), turn(1, "Next page", "chevron")) : h("span", { hidden: true }),
    );
  };
  draw();
  return box;
}
