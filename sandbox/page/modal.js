// The modal on top: blocks and inputs, submit and close, the server's errors beside the fields they concern.

import { h } from "./dom.js";
import { blocks } from "./blocks.js";
import { icon } from "./icons.js";
import { missing, values } from "./inputs.js";
import { textObject } from "./mrkdwn.js";

/** Copy what a person has typed from the old form to the new one, field by field, by name. */
function carry(from, to) {
  for (const node of to.querySelectorAll("input, select, textarea")) {
    const old = [...from.querySelectorAll("input, select, textarea")].find((other) => other.name === node.name && (!/radio|checkbox/.test(node.type) || other.value === node.value));
    if (!old) continue;
    if (/radio|checkbox/.test(node.type)) node.checked = old.checked;
    else node.value = old.value;
  }
}

export class Modal {
  /** `services`: {act, confirm, fetchText, submit(viewId, values), close(viewId), notify}. */
  constructor(state, services) {
    Object.assign(this, { state, services });
    this.memory = new Map();
    this.dialog = null;
    this.shown = null;
  }

  draw() {
    const entry = this.state.topView();
    if (!entry) {
      this.dialog?.remove();
      Object.assign(this, { dialog: null, shown: null });
      return;
    }
    if (this.shown?.view === entry.view) return;
    const old = this.shown?.id === entry.id ? this.dialog : null;
    if (!old) this.memory = new Map();
    const dialog = this.build(entry);
    if (old) carry(old, dialog);
    const scroll = old?.querySelector(".modal-body")?.scrollTop ?? 0;
    this.dialog?.remove();
    document.body.append(dialog);
    dialog.showModal();
    if (!old) dialog.querySelector(".modal-body :is(input, select, textarea), .modal-foot button:last-child")?.focus({ focusVisible: false });
    dialog.querySelector(".modal-body").scrollTop = scroll;
    Object.assign(this, { dialog, shown: entry });
  }

  build({ id, view }) {
    const { directory } = this.state;
    const scene = {
      directory,
      memory: this.memory,
      confirm: this.services.confirm,
      fetchText: this.services.fetchText,
      act: (payload) => this.services.act({ view_id: id, ...payload }),
    };
    const close = () => this.services.close(id);
    const words = (object, fallback) => textObject(object ?? fallback, directory);
    const submit = view.submit ? h("button", { type: "submit", class: "btn btn-primary" }, ...words(view.submit)) : null;
    const form = h(
      "form",
      { class: "modal-form", novalidate: true },
      h("header", { class: "modal-head" }, h("h2", {}, ...words(view.title, "")), h("button", { type: "button", class: "tool", "aria-label": "Close", on: { click: close } }, icon("close", 20))),
      h("div", { class: "modal-body" }, h("div", { class: "blocks" }, ...blocks(view.blocks, scene))),
      h("footer", { class: "modal-foot" }, h("button", { type: "button", class: "btn", on: { click: close } }, ...words(view.close, submit ? "Cancel" : "Close")), submit),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(id, view, form, submit);
    });
    return h("dialog", { class: "modal", "aria-label": view.title?.text ?? "", on: { cancel: (event) => (event.preventDefault(), close()) } }, form);
  }

  async submit(id, view, form, button) {
    const state = values(view, form);
    const empty = missing(view, state);
    this.errors(form, Object.fromEntries(empty.map((blockId) => [blockId, "Fill in this field."])));
    if (empty.length) return;
    button?.setAttribute("aria-busy", "true");
    try {
      const answer = await this.services.submit(id, state);
      const errors = answer?.errors ?? answer?.payload?.errors ?? null;
      if (errors) this.errors(form, errors);
    } catch (error) {
      this.services.notify(`The form was not sent. ${error.message}`);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  }

  errors(form, byBlock) {
    for (const node of form.querySelectorAll(".input-block")) {
      const text = byBlock[node.dataset.blockId] ?? "";
      node.classList.toggle("has-error", Boolean(text));
      node.querySelector(".input-error").textContent = text;
    }
  }
}
