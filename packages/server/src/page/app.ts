// The page: whom to recommend to, the lists of the models beside each other with their reasons, and items by their
// text.
import type { ModelAnswer } from "../schemas.js";
import * as api from "./api.js";
import { button, byId, element, reasonOf, say, searchField } from "./elements.js";

type Model = ModelAnswer["models"][number];

/** Users who are asked whether they get an added item, and users who are listed. */
const ASKED = 100;
const SHOWN = 10;

const status = byId("p", "status");
const lists = byId("div", "lists");
const historyList = byId("ul", "history");
const k = byId("input", "k");

let models: readonly Model[] = [];
/** The user whose history is shown; undefined once it was changed. */
let user: string | undefined;
let history: readonly api.Item[] = [];
let running = new AbortController();

const titleOf = ({ item, title }: api.Item) => title ?? item;

function failed(error: unknown): void {
  say(status, reasonOf(error), true);
}

function changeHistory(items: readonly api.Item[], of?: string): void {
  history = items;
  user = of;
  byId("h3", "history-title").textContent = of === undefined ? "History" : `History of ${of}`;
  byId("p", "history-empty").hidden = items.length > 0 || of !== undefined;
  historyList.replaceChildren(
    ...items.map((one) => {
      const remove = () => changeHistory(history.filter(({ item }) => item !== one.item));
      return element("li", "", titleOf(one), button("×", remove, `Remove ${titleOf(one)}`));
    }),
  );
  void show();
}

/** Asks every model and shows the lists. */
async function show(): Promise<void> {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  if (user === undefined && history.length === 0) {
    lists.replaceChildren();
    say(status, "");
    return;
  }
  const whom: api.Whom = user === undefined ? { history: history.map(({ item }) => item) } : { user };
  say(status, "…");
  try {
    const found = await Promise.all(models.map(({ name }) => api.recommend(whom, k.valueAsNumber || 10, name, signal)));
    if (signal.aborted) return;
    lists.replaceChildren(
      ...models.map((model, at) => {
        const elsewhere = new Set(
          found.filter((_, other) => other !== at).flatMap((list) => list.map(({ item }) => item)),
        );
        const isOnly = ({ item }: api.Item) => models.length > 1 && !elsewhere.has(item);
        return listOf(model, found[at] ?? [], whom, isOnly);
      }),
    );
    say(status, `${found[0]?.length ?? 0} items for ${user ?? `a history of ${history.length}`}`);
  } catch (error) {
    if (signal.aborted) return;
    lists.replaceChildren();
    failed(error);
  }
}

function listOf(model: Model, items: readonly api.Scored[], whom: api.Whom, isOnly: (item: api.Item) => boolean) {
  const scores = items.map(({ score }) => score);
  const [most, least] = [Math.max(...scores), Math.min(...scores)];
  const rows = items.map((one) => {
    const score = element("meter", "");
    score.min = 0;
    score.max = 1;
    // The worst of the list keeps a little of its bar.
    score.value = most > least ? 0.08 + (0.92 * (one.score - least)) / (most - least) : 1;
    score.setAttribute("aria-label", `score ${one.score.toFixed(2)}`);
    return element(
      "li",
      "",
      element("span", "title", titleOf(one)),
      " ",
      element("span", "id", one.item),
      isOnly(one) ? element("span", "only", " only here") : undefined,
      element("div", "", score, ` ${one.score.toFixed(2)}`),
      becauseOf(one.because ?? []),
      model.explains ? explanation(one, whom, model.name) : undefined,
    );
  });
  const heading = models.length > 1 ? element("h3", "", model.directories.join(" ")) : undefined;
  return element("div", "list", heading, element("ol", "", ...rows));
}

function becauseOf(because: readonly api.Scored[]) {
  if (because.length === 0) return undefined;
  const names = because.map((one) => `${titleOf(one)} (${one.score.toFixed(2)})`).join(" · ");
  return element("p", "because", "like ", names);
}

function explanation(one: api.Scored, whom: api.Whom, model: string) {
  const place = element("div", "");
  const what = "user" in whom ? "What might they write?" : "Describe it";
  const ask = button(
    what,
    async () => {
      ask.disabled = true;
      try {
        const text = await api.explain(one.item, whom, model);
        place.replaceChildren(element("p", "text", text || "(the model has nothing to say)"));
      } catch (error) {
        ask.disabled = false;
        failed(error);
      }
    },
    `${what} ${titleOf(one)}`,
  );
  place.append(ask);
  return place;
}

searchField(byId("input", "user-search"), byId("ul", "user-found"), {
  find: api.searchUsers,
  label: (found) => found,
  choose: (found) => {
    api.historyOf(found).then((items) => changeHistory(items, found), failed);
  },
  onError: failed,
});
searchField(byId("input", "item-search"), byId("ul", "item-found"), {
  find: api.searchItems,
  label: (found) => (found.title === undefined ? found.item : `${found.title} (${found.item})`),
  choose: (found) => {
    if (!history.some(({ item }) => item === found.item)) changeHistory([...history, found]);
  },
  onError: failed,
});
k.addEventListener("change", () => void show());
byId("button", "clear").addEventListener("click", () => changeHistory([]));
byId("form", "add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = byId("p", "add-status");
  const id = byId("input", "add-id").value;
  const result = byId("div", "add-result");
  result.replaceChildren();
  try {
    await api.add(id, byId("textarea", "add-text").value, byId("input", "add-name").value);
    say(place, `${id} was added.`);
    result.replaceChildren(...(await receptionOf(id)));
    await show();
  } catch (error) {
    say(place, reasonOf(error), true);
  }
});

/** What an added item is like, and which of the first users get it. */
async function receptionOf(id: string): Promise<HTMLElement[]> {
  const places = k.valueAsNumber || 10;
  const [alike, { asked, found }] = await Promise.all([api.similarItems(id, 3), api.whoGets(id, ASKED, places)]);
  const users = found.slice(0, SHOWN).map(({ user: name, place }) => {
    const choose = () => void api.historyOf(name).then((items) => changeHistory(items, name), failed);
    return element("li", "", button(name, choose, `Show the list of ${name}`), ` place ${place}`);
  });
  const heading = `${found.length} of the first ${asked} users get it among their ${places} best items.`;
  return [
    element("p", "", "Like ", alike.map(titleOf).join(" · ")),
    element("p", "", heading),
    element("ul", "", ...users),
  ];
}

try {
  ({ models } = await api.describe());
  const [main] = models;
  byId("p", "facts").textContent = main
    ? `${main.directories.join(" ")}: ${main.users} users, ${main.items} items`
    : "no model";
} catch (error) {
  failed(error);
}
