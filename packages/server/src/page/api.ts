// The page's calls of the API.
import type { ProblemBody } from "../problem.js";
import type { ModelAnswer } from "../schemas.js";

export interface Item {
  readonly item: string;
  readonly title?: string;
}

export interface Scored extends Item {
  readonly score: number;
  readonly because?: readonly Scored[];
}

/** What was asked about: a user of the model, or a history. */
export type Whom = { readonly user: string } | { readonly history: readonly string[] };

/** @throws Error with the problem's detail, or that the server cannot be reached */
async function call<T>(route: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await fetch(route, {
    ...(body !== undefined && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
    ...(signal && { signal }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error((answer as ProblemBody).detail);
  return answer as T;
}

export const describe = () => call<ModelAnswer>("/model");

export const searchUsers = async (text: string, signal: AbortSignal) =>
  (await call<{ users: string[] }>(`/users?limit=8&search=${encodeURIComponent(text)}`, undefined, signal)).users;

export const searchItems = async (text: string, signal: AbortSignal) =>
  (await call<{ items: Item[] }>(`/items?limit=8&search=${encodeURIComponent(text)}`, undefined, signal)).items;

export const historyOf = async (user: string) =>
  (await call<{ history: Item[] }>(`/users/${encodeURIComponent(user)}`)).history;

export const recommend = async (whom: Whom, k: number, model: string, signal: AbortSignal) =>
  (await call<{ items: Scored[] }>("/recommend", { ...whom, k, model, why: true }, signal)).items;

export const explain = async (item: string, whom: Whom, model: string) =>
  (await call<{ text: string }>("/explain", { item, model, ...("user" in whom && { user: whom.user }) })).text;

export const add = (item: string, text: string, title: string) =>
  call<unknown>("/items", { items: [{ item, text, ...(title && { title }) }] });

export const similarItems = async (item: string, k: number) =>
  (await call<{ items: Scored[] }>("/similar-items", { item, k })).items;

/** Which of the first users have the item in their list, the one with the best place first. */
export async function whoGets(item: string, asked: number, k: number) {
  const { users } = await call<{ users: string[] }>(`/users?limit=${asked}`);
  if (users.length === 0) return { asked: 0, found: [] };
  const { results } = await call<{ results: { user: string; items?: Item[] }[] }>("/recommend", { users, k });
  const found = results
    .map(({ user, items = [] }) => ({ user, place: items.findIndex((one) => one.item === item) + 1 }))
    .filter(({ place }) => place > 0)
    .sort((a, b) => a.place - b.place);
  return { asked: users.length, found };
}
