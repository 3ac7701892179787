// Input blocks of a form, and how their values are read back in the shape that Slack calls view.state.values.

import { h } from "./dom.js";
import { textObject } from "./mrkdwn.js";

function options(element) {
  return element.options ?? (element.option_groups ?? []).flatMap((group) => group.options ?? []);
}

function field(element, scene, name) {
  const placeholder = element.placeholder?.text ?? "";
  switch (element.type) {
    case "static_select": {
      const chosen = element.initial_option?.value;
      const empty = h("option", { value: "", selected: !chosen }, placeholder || "Choose an option");
      const rest = options(element).map((option) => h("option", { value: option.value, selected: option.value === chosen }, option.text?.text ?? option.value));
      return h("select", { class: "input", name }, empty, ...rest);
    }
    case "radio_buttons":
    case "checkboxes": {
      const initial = new Set((element.initial_options ?? [element.initial_option]).filter(Boolean).map((option) => option.value));
      const type = element.type === "checkboxes" ? "checkbox" : "radio";
      const choice = (option) => {
        const note = option.description ? h("span", { class: "choice-note" }, ...textObject(option.description, scene.directory)) : null;
        const input = h("input", { type, name, value: option.value, checked: initial.has(option.value) });
        return h("label", { class: "choice" }, input, h("span", {}, ...textObject(option.text, scene.directory), note));
      };
      return h("div", { class: "choices" }, ...options(element).map(choice));
    }
    case "datepicker":
      return h("input", { class: "input", type: "date", name, value: element.initial_date });
    case "number_input":
      return h("input", { class: "input", type: "number", name, value: element.initial_value, min: element.min_value, max: element.max_value, step: element.is_decimal_allowed ? "any" : 1, placeholder });
    default: {
      if (!element.multiline) return h("input", { class: "input", type: "text", name, value: element.initial_value, maxlength: element.max_length, placeholder });
      return h("textarea", { class: "input", name, rows: 4, maxlength: element.max_length, placeholder }, element.initial_value ?? "");
    }
  }
}

/** One input block: label, field, hint, and a place for the server's error. */
export function inputBlock(block, scene) {
  const name = `${block.block_id ?? ""}/${block.element?.action_id ?? ""}`;
  const label = h("span", { class: "input-label" }, ...textObject(block.label, scene.directory), block.optional ? h("span", { class: "optional" }, " (optional)") : null);
  const control = field(block.element ?? {}, scene, name);
  const grouped = control.matches(".choices");
  return h(
    grouped ? "fieldset" : "label",
    { class: "input-block", data: { blockId: block.block_id ?? "" } },
    grouped ? h("legend", {}, label) : label,
    control,
    block.hint ? h("span", { class: "input-hint" }, ...textObject(block.hint, scene.directory)) : null,
    h("span", { class: "input-error", role: "alert" }),
  );
}

function value(element, scope, name) {
  const named = [...scope.querySelectorAll("input, select, textarea")].filter((node) => node.name === name);
  const chosen = options(element).filter((option) => named.some((node) => (node.matches("select") ? node.value === option.value : node.checked && node.value === option.value)));
  switch (element.type) {
    case "checkboxes":
      return { selected_options: chosen };
    case "radio_buttons":
    case "static_select":
      return { selected_option: chosen[0] ?? null };
    case "datepicker":
      return { selected_date: named[0]?.value || null };
    default:
      return { value: named[0]?.value || null };
  }
}

/** {block_id: {action_id: {type, …}}} of every input block of `view` in the form `scope`. */
export function values(view, scope) {
  const out = {};
  for (const block of view.blocks ?? []) {
    if (block.type !== "input" || !block.element) continue;
    const name = `${block.block_id ?? ""}/${block.element.action_id ?? ""}`;
    out[block.block_id] = { [block.element.action_id]: { type: block.element.type, ...value(block.element, scope, name) } };
  }
  return out;
}

/** Block ids of required inputs that are empty. */
export function missing(view, state) {
  const empty = (one) => one.value === null || one.selected_option === null || one.selected_date === null || one.selected_options?.length === 0;
  return (view.blocks ?? []).filter((b) => b.type === "input" && !b.optional && Object.values(state[b.block_id] ?? {}).some(empty)).map((b) => b.block_id);
}
