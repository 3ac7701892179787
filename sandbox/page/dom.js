// The only place that makes DOM nodes. Data enters a page as text nodes and as checked attributes, never as markup:
// there is no innerHTML anywhere, so a hostile message cannot become an element of ours.

const SVG = "http://www.w3.org/2000/svg";

/** Only these schemes become links; everything else (javascript:, data:, file:) stays text. */
export function safeUrl(raw) {
  if (typeof raw !== "string" || raw.length > 4000) return null;
  try {
    const url = new URL(raw);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/**
 * Build one element. `props`: `class`, `on` (event listeners), `data` (dataset), `href` (checked by safeUrl),
 * and any other attribute by name; `true` sets it empty, `false`, null and undefined leave it out.
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "href") {
      const url = safeUrl(value);
      if (url) {
        node.setAttribute("href", url);
        node.setAttribute("target", "_blank");
        node.setAttribute("rel", "noreferrer noopener");
      }
    } else if (name.startsWith("on")) throw new Error(`listeners go into "on": ${name}`);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

/** Build one SVG element; attributes are numbers and constants of ours, text goes in as children. */
export function s(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  append(node, children);
  return node;
}

/** A link when the address is http(s), else the same text without one. */
export function link(url, ...children) {
  return safeUrl(url) ? h("a", { class: "link", href: url, title: url }, ...children) : h("span", { class: "unlinked" }, ...children);
}

export function fragment(...children) {
  const node = document.createDocumentFragment();
  append(node, children);
  return node;
}

/**
 * Make `container` hold exactly `items` ({key, parts, build}), touching only what changed: a node is kept when its key and
 * each of its parts are the same (===), so focus, selection and scrolling survive an update elsewhere.
 */
export function reconcile(container, items) {
  const old = container.rendered ?? new Map();
  const next = new Map();
  let cursor = container.firstChild;
  for (const { key, parts, build } of items) {
    const known = old.get(key);
    const same = known && known.parts.length === parts.length && known.parts.every((part, i) => part === parts[i]);
    const node = same ? known.node : build();
    if (known && !same) {
      if (cursor === known.node) cursor = cursor.nextSibling;
      known.node.replaceWith(node);
      cursor = node.nextSibling;
    } else if (node === cursor) cursor = cursor.nextSibling;
    else container.insertBefore(node, cursor);
    next.set(key, { parts, node });
  }
  for (const [key, { node }] of old) if (!next.has(key)) node.remove();
  container.rendered = next;
}
