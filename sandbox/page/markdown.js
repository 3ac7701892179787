// Standard Markdown: the `markdown` block, streamed text and the preview of Markdown files. A reader of lines: no backtracking.

import { h } from "./dom.js";
import { inline } from "./inline.js";
import { pre } from "./mrkdwn.js";

const GRAMMAR = {
  markers: [["***", "b"], ["**", "b", true], ["__", "b"], ["~~", "s", true], ["*", "i", true], ["_", "i"]],
  brackets: true,
  escapes: true,
};
const FENCE = /^ {0,3}(```+|~~~+)[ \w+.-]{0,60}$/;
const HEADING = /^(#{1,6})\s+(\S.*)$/;
const RULE = /^\s{0,3}([-*_])\s*(?:\1\s*){2,}$/;
const ITEM = /^(\s*)(?:([-*+•])|(\d{1,9})[.)])\s+(.*)$/;
const QUOTE = /^\s{0,3}(?:>|&gt;)\s?/;
const DELIMITER = /^\|?(?: *:?-+:? *\|)* *:?-+:? *\|?$/;
const MAX_DEPTH = 6;

const isDelimiter = (row) => row !== undefined && row.length < 600 && DELIMITER.test(row.trim());

function cells(row) {
  const inner = row.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(head, delimiter, body, directory) {
  const align = cells(delimiter).map((d) => (d.endsWith(":") ? (d.startsWith(":") ? "center" : "right") : "left"));
  const line = (row, tag) =>
    h("tr", {}, ...cells(row).slice(0, 20).map((cell, n) => h(tag, { class: `align-${align[n] ?? "left"}` }, ...inline(cell, GRAMMAR, directory))));
  return h(
    "div",
    { class: "table-scroll" },
    h("table", { class: "table" }, h("thead", {}, line(head, "th")), h("tbody", {}, ...body.map((row) => line(row, "td")))),
  );
}

/** Nested lists from indentation; `rows` are [indent, ordered number or null, text]. */
function list(rows, directory) {
  const root = h("div", { class: "md-list" });
  const stack = [];
  for (const [indent, number, text] of rows) {
    while (stack.length && indent < stack.at(-1).indent) stack.pop();
    const tag = number === null ? "ul" : "ol";
    const top = stack.at(-1);
    if (!top || indent > top.indent + 1) {
      const node = h(tag, { start: number !== null && number !== 1 ? number : null });
      (top && stack.length < MAX_DEPTH ? top.node.lastElementChild ?? root : top?.node.parentElement ?? root).append(node);
      stack.push({ indent, node });
    } else if (top.node.tagName.toLowerCase() !== tag) {
      const node = h(tag, { start: number !== null && number !== 1 ? number : null });
      top.node.after(node);
      stack[stack.length - 1] = { indent, node };
    }
    const task = /^\[([ xX])\]\s+(.*)$/.exec(text);
    const item = task
      ? h("li", { class: "md-task" }, h("span", { class: "md-box" }, task[1] === " " ? "☐" : "☑"), ...inline(task[2], GRAMMAR, directory))
      : h("li", {}, ...inline(text, GRAMMAR, directory));
    stack.at(-1).node.append(item);
  }
  return root;
}

/** Nodes for a Markdown text. Newlines inside a paragraph are kept, as Slack keeps them. */
export function markdown(text, directory, depth = 0) {
  const rows = String(text ?? "").replaceAll("\r", "").split("\n");
  const out = [];
  let n = 0;
  const starts = (row, next) =>
    FENCE.test(row) || HEADING.test(row) || RULE.test(row) || ITEM.test(row) || QUOTE.test(row) || (row.includes("|") && isDelimiter(next));
  while (n < rows.length) {
    const row = rows[n];
    if (!row.trim()) {
      n += 1;
      continue;
    }
    const fence = FENCE.exec(row);
    if (fence) {
      let end = n + 1;
      while (end < rows.length && !rows[end].trim().startsWith(fence[1])) end += 1;
      out.push(pre(rows.slice(n + 1, end).join("\n")));
      n = end + 1;
      continue;
    }
    const heading = HEADING.exec(row);
    if (heading) {
      const level = Math.min(heading[1].length, 4);
      out.push(h(`h${level + 1}`, { class: `md-h md-h${level}` }, ...inline(heading[2].trimEnd(), GRAMMAR, directory)));
      n += 1;
      continue;
    }
    if (RULE.test(row)) {
      out.push(h("hr", { class: "divider" }));
      n += 1;
      continue;
    }
    if (row.includes("|") && isDelimiter(rows[n + 1])) {
      let end = n + 2;
      while (end < rows.length && rows[end].includes("|") && rows[end].trim()) end += 1;
      out.push(table(row, rows[n + 1], rows.slice(n + 2, end), directory));
      n = end;
      continue;
    }
    if (QUOTE.test(row) && depth < MAX_DEPTH) {
      let end = n;
      while (end < rows.length && QUOTE.test(rows[end])) end += 1;
      const inner = rows.slice(n, end).map((line) => line.replace(QUOTE, "")).join("\n");
      out.push(h("blockquote", { class: "quote" }, ...markdown(inner, directory, depth + 1)));
      n = end;
      continue;
    }
    if (ITEM.test(row)) {
      const items = [];
      while (n < rows.length) {
        const item = ITEM.exec(rows[n]);
        if (item) items.push([item[1].replaceAll("\t", "    ").length, item[3] === undefined ? null : Number(item[3]), item[4]]);
        else if (rows[n].trim() && /^\s{2,}/.test(rows[n])) items.at(-1)[2] += `\n${rows[n].trim()}`;
        else break;
        n += 1;
      }
      out.push(list(items, directory));
      continue;
    }
    let end = n + 1;
    while (end < rows.length && rows[end].trim() && !starts(rows[end], rows[end + 1])) end += 1;
    out.push(h("p", { class: "md-p" }, ...inline(rows.slice(n, end).join("\n"), GRAMMAR, directory)));
    n = end;
  }
  return out;
}
