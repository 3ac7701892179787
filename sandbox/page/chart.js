// The data_visualization block as SVG: line, area, bar and pie. Colours come from the style sheet, so both themes are served.

import { h, s } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 214;
const SERIES = 12;
const POINTS = 20;

const finite = (value) => (Number.isFinite(Number(value)) && value !== null && value !== "" ? Number(value) : null);
const shorten = (text, length) => (String(text ?? "").length > length ? `${String(text).slice(0, length - 1)}…` : String(text ?? ""));

/** A number as an axis says it: 12, 0.25, 4.5k, 1.2M. */
export function compact(value) {
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= unit) {
      const base = letter === "k" ? 1e3 : unit;
      return `${+(value / base).toPrecision(3)}${letter}`;
    }
  }
  return String(+value.toPrecision(4));
}

/** Round ticks that cover [low, high]; never more than six. */
export function ticks(low, high) {
  const bottom = Math.min(0, low);
  const top = high > bottom ? high : bottom + 1;
  const rough = (top - bottom) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((candidate) => candidate >= rough) ?? 10 * power;
  const out = [];
  for (let n = Math.floor(bottom / step); n * step < top + step * 0.999 && out.length < 8; n += 1) out.push(+(n * step).toPrecision(12));
  return out;
}

function legend(names) {
  if (names.length < 2) return null;
  return h("ul", { class: "legend" }, ...names.map((name, n) => h("li", {}, h("i", { class: `swatch tone-${n % SERIES}` }), shorten(name, 40))));
}

function readSeries(chart) {
  const series = (chart.series ?? []).slice(0, SERIES);
  const categories = (chart.axis_config?.categories ?? series[0]?.data?.map((point) => point.label) ?? []).slice(0, POINTS).map(String);
  return {
    categories,
    series: series.map((one) => {
      const byLabel = new Map((one.data ?? []).map((point) => [String(point.label), finite(point.value)]));
      return { name: one.name ?? "", values: categories.map((category) => byLabel.get(category) ?? null) };
    }),
  };
}

/** Runs of neighbouring points: a missing value is a gap, never a zero. */
function runs(points) {
  const out = [[]];
  for (const point of points) {
    if (point) out.at(-1).push(point);
    else if (out.at(-1).length) out.push([]);
  }
  return out.filter((run) => run.length);
}

function axes(chart) {
  const { categories, series } = readSeries(chart);
  const values = series.flatMap((one) => one.values).filter((value) => value !== null);
  const marks = ticks(Math.min(...values, 0), Math.max(...values, 0));
  const [low, high] = [marks[0], marks.at(-1)];
  const config = chart.axis_config ?? {};
  const box = { left: 16 + Math.max(...marks.map((mark) => compact(mark).length)) * 6.2 + (config.y_label ? 16 : 0), right: WIDTH - 10, top: 12, bottom: HEIGHT - 24 - (config.x_label ? 15 : 0) };
  const slot = (box.right - box.left) / Math.max(1, categories.length);
  const x = chart.type === "bar" ? (n) => box.left + slot * (n + 0.5) : (n) => (categories.length < 2 ? (box.left + box.right) / 2 : box.left + 8 + ((box.right - box.left - 16) * n) / (categories.length - 1));
  const y = (value) => box.bottom - ((value - low) / (high - low || 1)) * (box.bottom - box.top);
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img" });
  for (const mark of marks) {
    svg.append(
      s("line", { x1: box.left, x2: box.right, y1: y(mark), y2: y(mark), class: mark === 0 ? "axis" : "grid" }),
      s("text", { x: box.left - 7, y: y(mark) + 3.5, class: "tick", "text-anchor": "end" }, compact(mark)),
    );
  }
  const longest = Math.max(1, ...categories.map((category) => category.length));
  const every = Math.max(1, Math.ceil((longest * 6.2 + 10) / ((box.right - box.left) / Math.max(1, categories.length))));
  categories.forEach((category, n) => {
    if (n % every === 0) svg.append(s("text", { x: x(n), y: box.bottom + 16, class: "tick", "text-anchor": "middle" }, shorten(category, 20)));
  });
  if (config.x_label) svg.append(s("text", { x: (box.left + box.right) / 2, y: HEIGHT - 4, class: "axis-label", "text-anchor": "middle" }, shorten(config.x_label, 60)));
  if (config.y_label) {
    const middle = (box.top + box.bottom) / 2;
    svg.append(s("text", { x: 11, y: middle, class: "axis-label", "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }, shorten(config.y_label, 40)));
  }
  const tip = (name, n, value) => s("title", {}, `${name ? `${name}, ` : ""}${categories[n]}: ${value}`);
  series.forEach((one, k) => {
    const tone = `tone-${k % SERIES}`;
    if (chart.type === "bar") {
      const width = Math.min(34, (slot * 0.72) / series.length);
      one.values.forEach((value, n) => {
        if (value === null) return;
        const left = x(n) - (width * series.length) / 2 + k * width;
        const top = Math.min(y(value), y(0));
        svg.append(s("rect", { x: left + 0.5, y: top, width: Math.max(1, width - 1), height: Math.max(1, Math.abs(y(value) - y(0))), rx: 2, class: `bar ${tone}` }, tip(one.name, n, value)));
      });
      return;
    }
    const points = one.values.map((value, n) => (value === null ? null : [x(n), y(value), n, value]));
    for (const run of runs(points)) {
      const path = run.map(([px, py], n) => `${n ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
      if (chart.type === "area") svg.append(s("path", { d: `${path}L${run.at(-1)[0].toFixed(1)} ${y(Math.max(0, low))}L${run[0][0].toFixed(1)} ${y(Math.max(0, low))}Z`, class: `fill ${tone}` }));
      svg.append(s("path", { d: path, class: `stroke ${tone}` }));
      for (const [px, py, n, value] of run) svg.append(s("circle", { cx: px, cy: py, r: 2.6, class: `dot ${tone}` }, tip(one.name, n, value)));
    }
  });
  return [svg, legend(series.map((one) => one.name))];
}

function pie(chart) {
  const segments = (chart.segments ?? []).slice(0, SERIES).map((one) => ({ label: one.label ?? "", value: Math.max(0, finite(one.value) ?? 0) }));
  const total = segments.reduce((sum, one) => sum + one.value, 0);
  const svg = s("svg", { viewBox: "0 0 180 180", class: "plot plot-pie", role: "img" });
  let from = -Math.PI / 2;
  segments.forEach((one, n) => {
    if (!total || !one.value) return;
    const share = one.value / total;
    const to = from + share * 2 * Math.PI;
    const at = (angle, radius) => `${(90 + radius * Math.cos(angle)).toFixed(2)} ${(90 + radius * Math.sin(angle)).toFixed(2)}`;
    const title = s("title", {}, `${one.label}: ${one.value} (${(share * 100).toFixed(1)} %)`);
    const wide = share > 0.5 ? 1 : 0;
    if (share > 0.9999) svg.append(s("circle", { cx: 90, cy: 90, r: 66, class: `ring tone-${n}` }, title));
    else svg.append(s("path", { d: `M${at(from, 82)}A82 82 0 ${wide} 1 ${at(to, 82)}L${at(to, 50)}A50 50 0 ${wide} 0 ${at(from, 50)}Z`, class: `slice tone-${n}` }, title));
    from = to;
  });
  const share = (value) => (total ? `${((value / total) * 100).toFixed(value === total ? 0 : 1)} %` : "");
  const rows = segments.map((one, n) => h("li", {}, h("i", { class: `swatch tone-${n}` }), h("span", {}, shorten(one.label, 40)), h("b", {}, compact(one.value)), h("span", { class: "share" }, share(one.value))));
  return h("div", { class: "pie" }, svg, h("ul", { class: "legend legend-tall" }, ...rows));
}

/** One data_visualization block. A kind that this page does not know is named in its place. */
export function chart(block) {
  const spec = block.chart ?? {};
  const kinds = { line: axes, area: axes, bar: axes, pie };
  const draw = Object.hasOwn(kinds, spec.type) ? kinds[spec.type] : null;
  const content = draw ? draw(spec) : h("p", { class: "unknown" }, `chart of type ${spec.type} is not drawn by this page`);
  const figure = h("figure", { class: "chart" }, h("figcaption", {}, block.title ?? ""), content);
  figure.querySelector("svg")?.setAttribute("aria-label", String(block.title ?? "chart"));
  return figure;
}
