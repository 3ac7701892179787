// Block Kit: one function a kind of block, and the list of kinds. What this page cannot draw is named, never dropped.

import { h, link } from "./dom.js";
import { icon } from "./icons.js";
import { chart } from "./chart.js";
import { contextAction, element } from "./elements.js";
import { withEmoji } from "./emoji.js";
import { imageFile } from "./files.js";
import { inputBlock } from "./inputs.js";
import { markdown } from "./markdown.js";
import { textObject } from "./mrkdwn.js";
import { plan, taskCard } from "./plan.js";
import { richText } from "./richtext.js";
import { dataTable, table } from "./tables.js";

/** An image that lives in the workspace is shown; one from elsewhere is named with its address, because this page calls nobody. */
function picture(spec, scene, cssClass) {
  const file = spec.slack_file?.id ? scene.directory.file(spec.slack_file.id) : null;
  if (file) return imageFile(file, spec.alt_text, cssClass);
  return h("span", { class: "no-image" }, icon("image", 16), link(spec.image_url, spec.alt_text || "image"));
}

function section(block, scene) {
  const accessory = block.accessory;
  const side = !accessory ? null : accessory.type === "image" ? picture(accessory, scene, "thumb") : element(accessory, scene, block.block_id);
  return h(
    "div",
    { class: `section${side ? " has-accessory" : ""}` },
    h(
      "div",
      { class: "section-main" },
      block.text ? h("div", { class: "text" }, ...textObject(block.text, scene.directory)) : null,
      block.fields?.length ? h("div", { class: "fields" }, ...block.fields.map((field) => h("div", { class: "text field" }, ...textObject(field, scene.directory)))) : null,
    ),
    side ? h("div", { class: "accessory" }, side) : null,
  );
}

function context(block, scene) {
  const part = (spec) => (spec?.type === "image" ? picture(spec, scene, "context-image") : h("span", { class: "text" }, ...textObject(spec, scene.directory)));
  return h("div", { class: "context" }, ...(block.elements ?? []).map(part));
}

function container(block, scene, index) {
  const key = `container:${index}:${block.title?.text ?? ""}`;
  const open = !block.is_collapsible || (scene.memory.get(key) ?? !block.default_collapsed);
  const title = block.rich_text_title ? richText(block.rich_text_title, scene.directory) : textObject(block.title, scene.directory);
  const words = h("span", { class: "container-words" }, h("span", { class: "container-title" }, ...title), block.subtitle ? h("span", { class: "container-subtitle" }, ...textObject(block.subtitle, scene.directory)) : null);
  const head = block.is_collapsible
    ? h("button", { type: "button", class: "container-head", "aria-expanded": String(open) }, words, icon("chevron", 16, "container-chevron"))
    : h("div", { class: "container-head" }, words);
  const box = h("section", { class: `container width-${["narrow", "wide", "full"].includes(block.width) ? block.width : "standard"}${open ? "" : " is-folded"}` }, head, h("div", { class: "container-body blocks" }, ...blocks(block.child_blocks, scene)));
  if (block.is_collapsible) {
    head.addEventListener("click", () => {
      const folded = box.classList.toggle("is-folded");
      head.setAttribute("aria-expanded", String(!folded));
      scene.memory.set(key, !folded);
    });
  }
  return box;
}

function card(block, scene) {
  const line = (spec, cssClass) => (spec ? h("div", { class: `text ${cssClass}` }, ...textObject(spec, scene.directory)) : null);
  return h(
    "article",
    { class: "card" },
    block.hero_image ? picture(block.hero_image, scene, "card-hero") : null,
    h("div", { class: "card-head" }, block.icon ? picture(block.icon, scene, "card-icon") : null, h("div", {}, line(block.title, "card-title"), line(block.subtitle, "card-subtitle"))),
    line(block.body, "card-body"),
    block.actions?.length ? h("div", { class: "actions" }, ...block.actions.map((spec) => element(spec, scene, block.block_id))) : null,
  );
}

function image(block, scene) {
  return h("figure", { class: "image-block" }, block.title ? h("figcaption", {}, ...textObject(block.title, scene.directory)) : null, picture(block, scene, "image"));
}

function video(block, scene) {
  return h("div", { class: "text" }, link(block.title_url, ...textObject(block.title, scene.directory)), block.description ? h("div", { class: "context" }, ...textObject(block.description, scene.directory)) : null);
}

const ALERTS = { info: "info", warning: "warn", error: "warn", success: "check" };

function alert(block, scene) {
  const level = Object.hasOwn(ALERTS, block.level) ? block.level : "default";
  return h("div", { class: `alert alert-${level}`, role: "note" }, icon(ALERTS[level] ?? "info", 18), h("div", { class: "text" }, ...textObject(block.text, scene.directory)));
}

const KINDS = {
  header: (b, scene) => h("h3", { class: "header" }, ...textObject(b.text, scene.directory)),
  section,
  rich_text: (b, scene) => h("div", { class: "text rich" }, ...richText(b, scene.directory)),
  markdown: (b, scene) => h("div", { class: "text md" }, ...markdown(b.text, scene.directory)),
  divider: () => h("hr", { class: "divider" }),
  context,
  actions: (b, scene) => h("div", { class: "actions" }, ...(b.elements ?? []).map((spec) => element(spec, scene, b.block_id))),
  context_actions: (b, scene) => h("div", { class: "context-actions" }, ...(b.elements ?? []).map((spec) => contextAction(spec, scene, b.block_id))),
  image,
  table: (b, scene) => table(b, scene),
  data_table: dataTable,
  data_visualization: (b) => chart(b),
  container,
  card,
  carousel: (b, scene) => h("div", { class: "carousel" }, ...(b.elements ?? []).map((one) => card(one, scene))),
  plan: (b, scene, index, count) => plan(b, scene, { alone: count === 1 }),
  task_card: (b, scene) => h("section", { class: "plan" }, taskCard(b, scene)),
  alert,
  input: inputBlock,
  video,
  file: (b) => h("div", { class: "context" }, withEmoji(`file ${b.external_id ?? ""}`)),
};

/** Nodes for a list of blocks. `scene`: {directory, memory, act, confirm}, see message.js. */
export function blocks(list, scene) {
  const all = (list ?? []).filter((block) => block && typeof block === "object");
  const telling = all.filter((block) => !["divider", "context", "actions", "context_actions"].includes(block.type)).length;
  return all.map((block, index) => {
    const draw = Object.hasOwn(KINDS, block.type) ? KINDS[block.type] : null;
    const node = draw ? draw(block, scene, index, telling) : h("p", { class: "unknown" }, `block of type ${block.type} is not drawn by this page`);
    node.classList.add("block", `block-${draw ? block.type : "unknown"}`);
    return node;
  });
}
