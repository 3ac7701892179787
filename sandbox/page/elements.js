// The things in a message that can be pressed: buttons, selects, menus, feedback. Each sends one action and shows that it is on its way.

import { h, safeUrl } from "./dom.js";
import { icon } from "./icons.js";
import { textObject } from "./mrkdwn.js";
import { menu } from "./overlay.js";

const MIN_PENDING_MS = 350;

/**
 * Send one action of `element`. `extra` overrides the value. Returns false when the person said no to the element's
 * confirm dialogue. The control shows a spinner until the server has answered.
 */
async function act(scene, blockId, element, extra, control) {
  if (element.confirm && !(await scene.confirm(element.confirm))) return false;
  control?.setAttribute("aria-busy", "true");
  const pause = new Promise((done) => setTimeout(done, MIN_PENDING_MS));
  try {
    await Promise.all([scene.act({ action_id: element.action_id, block_id: blockId, type: element.type, value: element.value, ...extra }), pause]);
  } finally {
    control?.removeAttribute("aria-busy");
  }
  return true;
}

function button(element, scene, blockId) {
  const style = element.style === "primary" || element.style === "danger" ? ` btn-${element.style}` : "";
  const node = h(
    "button",
    { type: "button", class: `btn${style}`, "aria-label": element.accessibility_label, data: { action: element.action_id ?? "" } },
    h("span", { class: "btn-label" }, ...textObject(element.text, scene.directory)),
    element.url ? icon("external", 14) : null,
  );
  node.addEventListener("click", () => {
    const url = safeUrl(element.url);
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    act(scene, blockId, element, {}, node);
  });
  return node;
}

function options(element) {
  return element.options ?? (element.option_groups ?? []).flatMap((group) => group.options ?? []);
}

function pick(option) {
  return { value: option?.value, selected_option: option };
}

function overflow(element, scene, blockId) {
  const node = h("button", { type: "button", class: "btn btn-icon", "aria-label": "More actions", "aria-haspopup": "menu" }, icon("more"));
  node.addEventListener("click", () => {
    const entries = options(element).map((option) => ({
      label: textObject(option.text, scene.directory),
      run: () => {
        const url = safeUrl(option.url);
        if (url) window.open(url, "_blank", "noopener,noreferrer");
        return act(scene, blockId, element, pick(option), node);
      },
    }));
    menu(node, entries);
  });
  return node;
}

function select(element, scene, blockId) {
  const known = scene.memory.get(`select:${element.action_id}`) ?? element.initial_option;
  const label = h("span", { class: "select-label" }, ...textObject(known?.text ?? element.placeholder ?? "Choose an option", scene.directory));
  const node = h("button", { type: "button", class: "btn select", "aria-haspopup": "listbox", data: { action: element.action_id ?? "" } }, label, icon("down", 16));
  node.addEventListener("click", () => {
    const entries = options(element).map((option) => ({
      label: textObject(option.text, scene.directory),
      note: option.description ? textObject(option.description, scene.directory) : null,
      chosen: option.value === known?.value,
      run: async () => {
        if (!(await act(scene, blockId, element, pick(option), node))) return;
        scene.memory.set(`select:${element.action_id}`, option);
        label.replaceChildren(...textObject(option.text, scene.directory));
      },
    }));
    menu(node, entries);
  });
  return node;
}

/** Radio buttons and checkboxes that act at once (outside of a form). */
function choices(element, scene, blockId) {
  const many = element.type === "checkboxes";
  const name = `choice-${Math.random().toString(36).slice(2)}`;
  const initial = new Set((element.initial_options ?? [element.initial_option]).filter(Boolean).map((option) => option.value));
  const box = h("div", { class: "choices" });
  for (const option of options(element)) {
    const input = h("input", { type: many ? "checkbox" : "radio", name, value: option.value, checked: initial.has(option.value) });
    input.addEventListener("change", () => {
      const chosen = options(element).filter((_, n) => box.querySelectorAll("input")[n].checked);
      act(scene, blockId, element, many ? { selected_options: chosen } : pick(chosen[0]), null);
    });
    const note = option.description ? h("span", { class: "choice-note" }, ...textObject(option.description, scene.directory)) : null;
    box.append(h("label", { class: "choice" }, input, h("span", {}, ...textObject(option.text, scene.directory), note)));
  }
  return box;
}

/** An element of an actions block, or a section's accessory. Unknown kinds are named, not dropped. */
export function element(spec, scene, blockId) {
  switch (spec?.type) {
    case "button":
    case "workflow_button":
      return button(spec, scene, blockId);
    case "overflow":
      return overflow(spec, scene, blockId);
    case "static_select":
      return select(spec, scene, blockId);
    case "radio_buttons":
    case "checkboxes":
      return choices(spec, scene, blockId);
    default:
      return h("span", { class: "unknown" }, `${spec?.type ?? "element"} is not drawn by this page`);
  }
}

const ICONS = { trash: "trash", thumbs_up: "up", thumbs_down: "thumbdown" };

function feedback(spec, scene, blockId) {
  const key = `feedback:${spec.action_id}`;
  const half = (side, glyph) => {
    const choice = spec[`${side}_button`] ?? {};
    const name = choice.accessibility_label || choice.text?.text || side;
    const node = h(
      "button",
      { type: "button", class: "feedback", title: choice.text?.text ?? name, "aria-label": name, "aria-pressed": scene.memory.get(key) === side ? "true" : "false", data: { action: spec.action_id ?? "" } },
      icon(glyph, 18),
    );
    node.addEventListener("click", async () => {
      if (!(await act(scene, blockId, spec, { value: choice.value }, node))) return;
      scene.memory.set(key, side);
      for (const other of node.parentElement?.querySelectorAll(".feedback") ?? []) other.setAttribute("aria-pressed", String(other === node));
    });
    return node;
  };
  return h("span", { class: "feedback-pair" }, half("positive", "up"), half("negative", "thumbdown"));
}

/** An element of a context_actions block. */
export function contextAction(spec, scene, blockId) {
  if (spec?.type === "feedback_buttons") return feedback(spec, scene, blockId);
  const title = spec?.text?.text ?? "";
  const node = h("button", { type: "button", class: "feedback", title, "aria-label": spec?.accessibility_label ?? title, data: { action: spec?.action_id ?? "" } }, icon(ICONS[spec?.icon] ?? "more", 18));
  node.addEventListener("click", () => act(scene, blockId, spec ?? {}, {}, node));
  return node;
}
