// The plan block and its task cards: the steps of an investigation while it runs, and what each of them found.

import { h, link } from "./dom.js";
import { icon } from "./icons.js";
import { withEmoji } from "./emoji.js";
import { richText } from "./richtext.js";

const WORDS = { pending: "waiting", in_progress: "running", complete: "done", error: "failed" };

function state(status) {
  const known = Object.hasOwn(WORDS, status) ? status : "pending";
  const glyph = { complete: icon("check", 14), error: icon("cross", 14) }[known] ?? null;
  return h("span", { class: `task-state task-${known}`, role: "img", "aria-label": WORDS[known] }, glyph);
}

function sources(list) {
  const items = (list ?? []).filter((source) => source?.url || source?.text);
  if (!items.length) return null;
  const chip = (source) => h("li", {}, icon("external", 12), link(source.url, source.text || source.url));
  return h("ul", { class: "task-sources" }, ...items.map(chip));
}

function body(content, directory) {
  if (!content) return null;
  return typeof content === "string" ? [withEmoji(content)] : richText(content, directory);
}

/** One task. Its output stands beside the title when there is room; details and sources stand below. */
export function taskCard(block, scene) {
  const details = body(block.details, scene.directory);
  const output = body(block.output, scene.directory);
  return h(
    "div",
    { class: `task task-is-${Object.hasOwn(WORDS, block.status) ? block.status : "pending"}`, data: { task: block.task_id ?? "" } },
    state(block.status),
    h(
      "div",
      { class: "task-main" },
      h("div", { class: "task-line" }, h("span", { class: "task-title" }, withEmoji(block.title)), output ? h("div", { class: "task-output" }, ...output) : null),
      details ? h("div", { class: "task-details" }, ...details) : null,
      sources(block.sources),
    ),
  );
}

function overall(tasks) {
  const has = (status) => tasks.some((task) => task.status === status);
  if (has("in_progress")) return "in_progress";
  if (!tasks.length || has("pending")) return "pending";
  return has("complete") ? "complete" : "error";
}

/** The plan. While a task runs it is open; once every task has ended it can be folded, and starts folded when other blocks tell the result. */
export function plan(block, scene, { alone = true } = {}) {
  const tasks = (block.tasks ?? []).filter(Boolean);
  const ended = tasks.filter((task) => task.status === "complete" || task.status === "error").length;
  const status = overall(tasks);
  const done = tasks.length > 0 && ended === tasks.length;
  const open = scene.memory.get("plan") ?? (!done || alone);
  const list = h("div", { class: "plan-tasks", role: "list" }, ...tasks.map((task) => taskCard(task, scene)));
  const head = h(
    "button",
    { type: "button", class: "plan-head", "aria-expanded": String(open) },
    state(status),
    h("span", { class: "plan-title" }, withEmoji(block.title)),
    tasks.length ? h("span", { class: "plan-count" }, `${ended} of ${tasks.length}`) : null,
    icon("chevron", 16, "plan-chevron"),
  );
  const box = h("section", { class: `plan plan-${status}${open ? "" : " is-folded"}` }, head, list);
  head.addEventListener("click", () => {
    const folded = box.classList.toggle("is-folded");
    head.setAttribute("aria-expanded", String(!folded));
    scene.memory.set("plan", !folded);
  });
  return box;
}
