// One item: its clips, question and options, the answer as parsed, and the answers of other models and conditions.

const RESULTS = { right: "✓ right", wrong: "✗ wrong", unscored: "– not scored" };

function badge(result) {
  return el("span", { class: "badge " + result }, RESULTS[result]);
}

/** Return the raw text. Marked are the characters that the parser decided by, or, in sentences of a model with an event head, the words that name events. */
function markedText(entry) {
  const { answer } = entry;
  if (answer.text === undefined) return el("p", { class: "note" }, "No text was generated" + (answer.reason ? ": " : "."), answer.reason ? isolated(answer.reason) : null);
  const { text, span } = answer;
  const words = entry.run.events && entry.run.events.words[entry.id];
  if (words) return el("div", null, el("pre", { class: "raw", tabindex: 0, "aria-label": "Raw text", role: "region", dir: "auto" }, markEventWords(text, words)), explainEventWords(entry.run.events.threshold));
  const parts = span ? [text.slice(0, span[0]), el("mark", null, text.slice(span[0], span[1])), text.slice(span[1])] : [text || " "];
  return el("pre", { class: "raw", tabindex: 0, "aria-label": "Raw text", role: "region", dir: "auto" }, parts);
}

function buildOptions(entry, versus) {
  const { question, answer } = entry;
  if (!question.choices.length) return null;
  const forms = Object.entries(answer.likelihood || {});
  const solver = (answer.baselines || [])[0];
  const rows = question.choices.map((choice, index) => {
    const notes = [];
    if (question.references.includes(index)) notes.push(el("span", { class: "badge reference" }, "reference"));
    if ((answer.chosen || []).includes(index)) notes.push(el("span", { class: "badge chosen" }, "chosen"));
    if (versus && (versus.answer.chosen || []).includes(index)) notes.push(el("span", { class: "badge" }, "chosen by ", isolated(versus.run.model)));
    if (solver && solver[1] === index) notes.push(el("span", { class: "badge" }, "chosen from text alone"));
    const values = forms.flatMap(([, options]) => {
      const [total, tokens] = options[index] || [null, 1];
      return total === null ? ["–", "–"] : [total.toFixed(2), (total / tokens).toFixed(2)];
    });
    return el("tr", null, el("th", { scope: "row" }, letter(index)), el("td", null, isolated(choice)), el("td", null, notes.flatMap((note) => [note, " "])), values.map((value) => el("td", { class: "number" }, value)));
  });
  const titles = ["", "option", "", ...forms.flatMap(([form]) => ["log-likelihood of " + form, "per token"])];
  const head = el("tr", null, titles.map((title) => (title ? el("th", { scope: "col" }, title) : el("td", null))));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Options" }, el("table", { class: "options" }, el("thead", null, head), el("tbody", null, rows)));
}

function buildAnswer(entry) {
  const { answer } = entry;
  const parsed = answer.rule ? ["Parsed by the rule ", el("code", null, answer.rule), answer.parsed === undefined ? ": nothing selected." : [" as ", isolated(shorten(answer.parsed, 300)), "."]] : [];
  return [
    markedText(entry),
    el("p", null, parsed, answer.text !== undefined && answer.reason ? [" ", isolated(answer.reason)] : null),
    answer.prefix ? el("details", null, el("summary", null, "Given beginning of the answer"), el("pre", { class: "raw", dir: "auto" }, answer.prefix)) : null,
    answer.reasoning ? el("details", null, el("summary", null, "Reasoning"), el("pre", { class: "raw", dir: "auto" }, answer.reasoning)) : null,
  ];
}

/** Return a table of the answers of other runs to the same item. */
function buildSiblings(entry, title, siblings) {
  if (!siblings.length) return null;
  const rows = siblings.map((other) => el("tr", null,
    el("th", { scope: "row" }, el("a", { href: address({ view: "items", run: other.run.id, item: other.id }) }, isolated(other.run.label))),
    el("td", null, badge(other.answer.result)), el("td", null, isolated(shorten(describeAnswer(other), 400)))));
  return [el("h3", null, title), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, el("table", null, el("tbody", null, rows)))];
}

function clipTitle(entry, number, total) {
  const condition = entry.run.condition === "clean" ? "" : entry.run.condition + ", ";
  return total > 1 ? condition + "clip " + (number + 1) : condition ? entry.run.condition : "clip";
}

function buildClips(deck, entry) {
  const clips = entry.answer.clips || [];
  return clips.map((clip, number) => deck.build(clip, clipTitle(entry, number, clips.length), findEvents(entry.run, clip)));
}

/** Return the answers under other conditions, each with its clips. */
function buildConditions(deck, entries) {
  return entries.map((other) => {
    const clips = buildClips(deck, other);
    return el("section", { class: "condition" },
      el("h4", null, other.run.condition, " ", badge(other.answer.result)),
      el("p", null, el("a", { href: address({ view: "items", run: other.run.id, item: other.id }) }, isolated(shorten(describeAnswer(other), 300)))),
      clips.length ? el("div", { class: "clips" }, clips) : el("p", { class: "note" }, "No clip was sent."));
  });
}

function buildFacts(entry) {
  const { question, answer, run } = entry;
  const facts = Object.entries(question.groups).map(([name, key]) => [name, el("a", { href: address({ view: "items", run: run.id, [GROUP + name]: key }) }, isolated(key))]);
  for (const [name, value] of Object.entries(answer.scores || {})) facts.push([name.replace(/_/g, " "), value === null ? "n/a" : String(Math.round(value * 1e4) / 1e4)]);
  for (const [name, index] of answer.baselines || []) facts.push(["text-only: " + name, index === null ? "none" : isolated("(" + letter(index) + ") " + (question.choices[index] ?? "?"))]);
  if (answer.preprocessing) facts.push(["audio preprocessing", answer.preprocessing.join(", ")]);
  if (answer.seconds !== undefined) facts.push(["seconds", answer.seconds.toFixed(2)]);
  return el("dl", { class: "facts" }, facts.flatMap(([name, value]) => [el("dt", null, isolated(name)), el("dd", null, value)]));
}

let itemDeck = null;

function drawItem(box, entry, found, position, parameters) {
  if (itemDeck) itemDeck.close();
  itemDeck = null;
  if (!entry) {
    box.replaceChildren(el("p", { class: "note" }, parameters.get("item") ? "No such item in this selection." : "Choose an item of the list."));
    return;
  }
  const deck = (itemDeck = new Deck());
  const siblings = findSiblings(entry).filter((other) => other !== entry);
  const versus = findIn(findRun(parameters.get("versus")), entry.id);
  const models = siblings.filter((other) => other.run.condition === entry.run.condition);
  const conditions = siblings.filter((other) => other.run.condition !== entry.run.condition && other.run.model === entry.run.model);
  const clips = buildClips(deck, entry);
  const others = conditions.length ? el("details", { class: "conditions", open: true }, el("summary", null, "Under other conditions (" + conditions.length + ")"), el("div", null, buildConditions(deck, conditions))) : null;
  const step = (offset, text) => {
    const other = found[position + offset];
    return other ? el("a", { class: "button", href: itemAddress(other) }, text) : el("span", { class: "button off" }, text);
  };
  const heading = el("h2", { tabindex: -1 }, isolated(shorten(entry.id, 120)));
  box.replaceChildren(
    el("div", { class: "deck" }, el("a", { class: "button back", href: filtered({}) }, "Back to the list"), step(-1, "Previous"), step(1, "Next")),
    heading,
    el("p", null, badge(entry.answer.result), " ", el("span", { class: "badge" }, entry.answer.status), " ", isolated(entry.run.label, "name"), versus ? [" · compared with ", isolated(versus.run.label, "name"), ": ", el("strong", null, findChange(entry, versus) || "no score in common")] : null),
    clips.length ? el("div", { class: "clips" }, clips) : el("p", { class: "note" }, "This item has no clip."),
    ...(deck.players.length ? [deck.controls()] : []),
    el("h3", null, "Prompt"),
    el("pre", { class: "raw", tabindex: 0, role: "region", "aria-label": "Prompt", dir: "auto" }, entry.question.prompt),
    ...withTitle("Options", buildOptions(entry, versus)),
    ...withTitle("References", entry.question.texts.length ? el("ul", null, entry.question.texts.map((text) => el("li", null, isolated(text)))) : null),
    el("h3", null, "Answer"),
    ...buildAnswer(entry).filter(Boolean),
    ...(versus ? [el("h3", null, "Answer of ", isolated(shorten(versus.run.model, 80))), ...buildAnswer(versus).filter(Boolean)] : []),
    ...(buildSiblings(entry, "Other models", models) || []),
    ...(others ? [others] : []),
    el("h3", null, "About this item"),
    buildFacts(entry),
    buildMarkForm(entry, () => drawItem(box, entry, found, position, parameters)));
}

function withTitle(title, content) {
  return content ? [el("h3", null, title), content] : [];
}
