// Filters of the list of items. Their state is the address of the page, so that every view can be linked to.

const GROUP = "g.";
const MOST_VALUES = 200; // a grouping with more keys is searched by text

/** Return the parameters of the page's address. */
function readAddress() {
  return new URLSearchParams(location.hash.slice(1));
}

function address(parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return "#" + new URLSearchParams(kept).toString();
}

/** Return the current address with some parameters replaced (removed by null). */
function changed(changes) {
  return address({ ...Object.fromEntries(readAddress()), ...changes });
}

/** Return the current address with other filters, which closes the open item. */
function filtered(changes) {
  return changed({ item: null, of: null, ...changes });
}

/** Return the address of an item in the list that is shown. */
function itemAddress(entry) {
  return changed({ view: "items", item: entry.id, of: readAddress().has("run") ? null : entry.run.id });
}

const TESTS = {
  run: (entry, value) => entry.run.id === value,
  task: (entry, value) => entry.run.task === value,
  status: (entry, value) => (value === "not ok" ? entry.answer.status !== "ok" : entry.answer.status === value),
  result: (entry, value) => entry.answer.result === value,
  rule: (entry, value) => (entry.answer.rule || "none") === value,
  reference: (entry, value) => entry.question.references.some((index) => letter(index) === value),
  answer: (entry, value) => (entry.answer.chosen || []).some((index) => letter(index) === value),
  options: (entry, value) => String(entry.question.choices.length) === value,
  label: (entry, value) => entry.answer.label === value,
};

const SIMPLE_NAMES = {
  reference: "reference at position",
  answer: "answer at position",
  options: "number of options",
  label: "answered label",
};

/** Return the entries that an address selects, in its order. */
function selectEntries(parameters) {
  const run = findRun(parameters.get("run"));
  const versus = findRun(parameters.get("versus"));
  const tests = [];
  for (const [name, value] of parameters) {
    if (name.startsWith(GROUP)) tests.push((entry) => entry.question.groups[name.slice(GROUP.length)] === value);
    else if (TESTS[name] && name !== "run") tests.push((entry) => TESTS[name](entry, value));
  }
  const change = parameters.get("change");
  if (versus && change) tests.push((entry) => findChange(entry, findIn(versus, entry.id)) === change);
  const words = (parameters.get("q") || "").toLowerCase();
  if (words) tests.push((entry) => searchText(entry).includes(words));
  const found = (run ? run.entries : ENTRIES).filter((entry) => tests.every((test) => test(entry)));
  if (versus && parameters.get("sort") === "change") {
    const gain = (entry) => Math.abs((entry.answer.value ?? 0) - (findIn(versus, entry.id)?.answer.value ?? 0));
    const gains = new Map(found.map((entry) => [entry, gain(entry)]));
    found.sort((one, other) => gains.get(other) - gains.get(one));
  }
  return found;
}

function listValues(entries, read) {
  const counts = new Map();
  for (const entry of entries) {
    const value = read(entry);
    if (value !== undefined && value !== null) counts.set(value, (counts.get(value) || 0) + 1);
  }
  return counts;
}

function buildSelect(name, label, values, current, all = "all") {
  const known = [...values.keys()];
  if (current && !values.has(current)) known.push(current);
  const select = el("select", {
    id: "filter-" + name,
    change: (event) => go(filtered({ [name]: event.target.value || null })),
  }, option("", all, !current));
  for (const value of known) {
    const number = values.get(value);
    const text = typeof number === "string" ? number : number === undefined ? value : value + " (" + number.toLocaleString("en") + ")";
    select.append(option(value, text, value === current));
  }
  return el("label", { class: "filter" }, el("span", null, label), select);
}

/** Build the filters for the runs that the address selects. */
function buildFilters(parameters) {
  const current = (name) => parameters.get(name) || "";
  const run = findRun(current("run"));
  const scope = run ? run.entries : current("task") ? ENTRIES.filter((entry) => entry.run.task === current("task")) : ENTRIES;
  const runs = new Map(RUNS.filter((one) => !current("task") || one.task === current("task")).map((one) => [one.id, one.label]));
  const first = [];
  const more = [];
  if (new Set(RUNS.map((one) => one.task)).size > 1) {
    first.push(buildSelect("task", "task", new Map(RUNS.map((one) => [one.task, one.task])), current("task")));
  }
  if (RUNS.length > 1) first.push(buildSelect("run", "model", runs, current("run")));
  first.push(buildSelect("result", "result", listValues(scope, (entry) => entry.answer.result), current("result")));
  const statuses = listValues(scope, (entry) => entry.answer.status);
  if (statuses.size > 1) statuses.set("not ok", scope.length - (statuses.get("ok") || 0));
  more.push(buildSelect("status", "status", statuses, current("status")));
  more.push(buildSelect("rule", "parsing rule", listValues(scope, (entry) => entry.answer.rule || "none"), current("rule")));
  for (const grouping of new Set(scope.flatMap((entry) => Object.keys(entry.question.groups)))) {
    const values = listValues(scope, (entry) => entry.question.groups[grouping]);
    if (values.size <= MOST_VALUES) more.push(buildSelect(GROUP + grouping, grouping, values, current(GROUP + grouping)));
  }
  const others = run ? RUNS.filter((one) => one !== run && one.task === run.task) : [];
  if (others.length) {
    more.push(buildSelect("versus", "compared with", new Map(others.map((one) => [one.id, one.label])), current("versus"), "no other run"));
    const versus = findRun(current("versus"));
    if (versus) {
      const changes = listValues(scope, (entry) => findChange(entry, findIn(versus, entry.id)));
      more.push(buildSelect("change", "change", changes, current("change")));
      more.push(buildSelect("sort", "order", new Map([["change", "largest change first"]]), current("sort"), "as in the task"));
    }
  }
  const chips = Object.entries(SIMPLE_NAMES).filter(([name]) => parameters.has(name)).map(([name, label]) =>
    el("a", { class: "chip", href: filtered({ [name]: null }) }, label + ": ", isolated(shorten(parameters.get(name), 60)), " ✕", el("span", { class: "visually-hidden" }, " remove this filter")));
  const search = el("input", {
    type: "search", id: "filter-q", value: current("q"), autocomplete: "off",
    input: (event) => { clearTimeout(searchTimer); const text = event.target.value; searchTimer = setTimeout(() => go(filtered({ q: text || null })), 150); },
  });
  const used = more.some((part) => part.querySelector("select").value);
  const details = el("details", { class: "more", open: used || moreOpen, toggle: (event) => { moreOpen = event.target.open; } },
    el("summary", null, "More filters"), el("div", { class: "filters" }, more));
  return [
    el("label", { class: "filter wide" }, el("span", null, "text of questions and answers"), search),
    ...first, ...chips, el("a", { class: "button", href: "#view=items" }, "all items"), details,
  ];
}

let moreOpen = matchMedia("(min-width: 861px)").matches;
let searchTimer = 0;

function go(target) {
  location.hash = target;
}
