// The views of the page, selected by its address: overview, items, comparisons, conditions, marks.

const VIEWS = [...document.querySelectorAll("main > section")].map((section) => section.id.replace("view-", ""));
const listBox = document.getElementById("item-list");
const itemBox = document.getElementById("item");
const filterBox = document.getElementById("filters");
const countBox = document.getElementById("item-count");

const list = new VirtualList(listBox, buildRow);
let shown = { key: null, found: [] };

function buildRow(entry) {
  const parameters = readAddress();
  const versus = findIn(findRun(parameters.get("versus")), entry.id);
  const current = isOpen(entry, parameters);
  const change = versus ? findChange(entry, versus) : null;
  return el("a", { href: itemAddress(entry), "aria-current": current ? "true" : null },
    el("span", { class: "sign " + entry.answer.result, "aria-hidden": "true" }, RESULTS[entry.answer.result][0]),
    el("span", { class: "what" }, el("span", { class: "line" }, isolated(shorten(describeQuestion(entry.question), 160))),
      el("span", { class: "line small" }, el("span", { class: "visually-hidden" }, entry.answer.result + ": "), change ? change + " · " : "", parameters.get("run") || RUNS.length < 2 ? "" : [isolated(shorten(entry.run.label, 60)), " · "], entry.answer.status === "ok" ? "" : entry.answer.status + " · ", isolated(shorten(describeAnswer(entry), 120)))),
    findMarks(entry).length ? el("span", { class: "badge" }, "marked") : null);
}

/** Return true if an address opens an entry: `item` is its id, and `of` its run, where the list has several runs. */
function isOpen(entry, parameters) {
  return parameters.get("item") === entry.id && [null, entry.run.id].includes(parameters.get("of"));
}

/** Key of the parameters that select the list, without the open item. */
function listKey(parameters) {
  const kept = new URLSearchParams(parameters);
  for (const name of ["view", "item", "of"]) kept.delete(name);
  return kept.toString();
}

function drawItems(parameters) {
  const key = listKey(parameters);
  const fresh = key !== shown.key;
  if (fresh) {
    shown = { key, found: selectEntries(parameters) };
    list.show(shown.found);
    listBox.scrollTop = 0;
    drawFilters(parameters);
    countBox.textContent = count(shown.found.length, "item", "items") + " of " + ENTRIES.length.toLocaleString("en");
  }
  const position = parameters.has("item") ? shown.found.findIndex((entry) => isOpen(entry, parameters)) : -1;
  document.getElementById("view-items").classList.toggle("open", position >= 0);
  drawItem(itemBox, shown.found[position] || null, shown.found, position, parameters);
  if (position >= 0) {
    list.scrollTo(position);
    itemBox.scrollTop = 0;
    itemBox.querySelector("h2").focus({ preventScroll: true });
  } else {
    list.redraw();
  }
}

function drawFilters(parameters) {
  const focused = document.activeElement && filterBox.contains(document.activeElement) ? document.activeElement.id : null;
  const caret = focused === "filter-q" ? document.activeElement.selectionStart : null;
  filterBox.replaceChildren(...buildFilters(parameters));
  if (focused) {
    const again = document.getElementById(focused);
    again?.focus();
    if (caret !== null) again.setSelectionRange(caret, caret);
  }
}

function drawComparison(parameters) {
  const wanted = parameters.get("pair");
  const pairs = [...document.querySelectorAll("[data-pair]")];
  pairs.forEach((section, index) => { section.hidden = wanted ? section.dataset.pair !== wanted : index > 0; });
  const select = document.getElementById("pair");
  if (select) select.value = wanted || pairs[0].dataset.pair;
}

function route() {
  const parameters = readAddress();
  const view = VIEWS.includes(parameters.get("view")) ? parameters.get("view") : "overview";
  for (const name of VIEWS) document.getElementById("view-" + name).hidden = name !== view;
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.getAttribute("href") === "#view=" + view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.querySelectorAll("main > section[hidden] audio").forEach((audio) => audio.pause());
  if (view === "items") drawItems(parameters);
  if (view === "compare") drawComparison(parameters);
  if (view === "conditions") drawAblations();
  if (view === "marks") drawMarks(document.getElementById("view-marks"));
}

readMarks();
document.getElementById("pair")?.addEventListener("change", (event) => go(address({ view: "compare", pair: event.target.value })));
document.querySelectorAll("[data-check]").forEach((box) => {
  const deck = new Deck();
  box.querySelectorAll("[data-clip]").forEach((one) => one.append(deck.build(Number(one.dataset.clip), one.dataset.title)));
  if (deck.players.length) box.before(deck.controls());
});
addEventListener("hashchange", route);
route();
