// Sound events of clips over time, as a model's event head presents them, and the words of its answers that name events.

const SVG = "http://www.w3.org/2000/svg";

function findEvents(run, clip) {
  return (run.events && run.events.clips[clip]) || null;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Return the curves on the time axis of the clip's spectrogram. What the model got beyond the clip's end (padding) is cut off. */
function drawEventCurves(events, seconds, name) {
  const lines = events.curves.map((curve, number) => {
    const step = events.seconds / curve.values.length;
    const points = curve.values.flatMap((value, index) => [index, index + 1].map((edge) => [((edge * step) / seconds) * 640, 98 - 0.96 * value]));
    return svg("polyline", { class: "line curve" + number + " s" + number, points: points.map((point) => point.map((one) => one.toFixed(1)).join(",")).join(" "), "vector-effect": "non-scaling-stroke" });
  });
  const half = svg("line", { class: "axis", x1: 0, x2: 640, y1: 50, y2: 50, "vector-effect": "non-scaling-stroke" });
  return svg("svg", { class: "plot curves", viewBox: "0 0 640 100", preserveAspectRatio: "none", role: "img", "aria-label": "Probability of sound events in " + name + " over time; the list below says when they are present" }, half, ...lines);
}

/** Return the legend of the curves: each event with its peak and the times at which it is present. */
function buildEventList(events) {
  const rows = events.curves.map((curve, number) => {
    const sample = svg("svg", { class: "plot sample", viewBox: "0 0 24 8", "aria-hidden": "true" }, svg("line", { class: "line curve" + number + " s" + number, x1: 0, x2: 24, y1: 4, y2: 4 }));
    const times = curve.spans.map(([start, end]) => start.toFixed(1) + "–" + end.toFixed(1) + " s").join(", ");
    return el("li", null, sample, " ", isolated(shorten(curve.name, 60)), " " + curve.peak.toFixed(2), times ? ": " + times : "");
  });
  return el("ul", { class: "events", "aria-label": "Sound events with their highest probability and the times at which they are present" }, rows);
}

/** Return a text in parts, with the words that name events marked as present or absent. */
function markEventWords(text, words) {
  const parts = [];
  let end = 0;
  for (const [start, stop, state] of words) {
    parts.push(text.slice(end, start), el("mark", { class: state, title: state }, text.slice(start, stop)));
    end = stop;
  }
  return [...parts, text.slice(end)];
}

function explainEventWords(threshold) {
  return el("p", { class: "note" }, el("mark", { class: "present" }, "present"), ": an event of this name reaches a probability of " + threshold + " in a clip. ",
    el("mark", { class: "absent" }, "absent"), ": no event of this name does; the word may be hallucinated, or the event head may miss the event.");
}
