// Requests for fuzzing: bodies of nearly the right form, arbitrary JSON, damaged JSON, bytes.

const ROUTES = ["/recommend", "/similar-items", "/explain", "/items", "/recommend"];
const NAMES =
  "user users history k exclude filter includeHistory why model item items maxTokens seed temperature topP text".split(
    " ",
  );
const IDS = [
  "reader-1",
  "reader-2",
  "crime-1",
  "crime-3",
  "garden-1",
  "nobody",
  "",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "é",
];

/**
 * An arbitrary of requests: `route` and the options of fetch.
 * @param {typeof import("fast-check").default} fc
 * @returns {import("fast-check").Arbitrary<{ route: string } & RequestInit>}
 */
export function fuzzedRequest(fc) {
  const id = fc.oneof(fc.constantFrom(...IDS), fc.string({ unit: "binary", maxLength: 20 }));
  const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -1, 1, 5, 1e308, 2 ** 53));
  const value = fc.oneof(id, number, fc.boolean(), fc.constant(null), fc.array(id, { maxLength: 5 }), fc.jsonValue());
  const condition = fc.oneof(
    value,
    fc.record({ contains: id, min: number, max: number }, { requiredKeys: [] }),
    fc.array(value, { maxLength: 3 }),
  );
  const good = fc.record(
    {
      user: fc.constantFrom("reader-1", "reader-2", "nobody"),
      history: fc.array(fc.constantFrom("crime-1", "garden-1", "none"), { maxLength: 4 }),
      users: fc.array(fc.constantFrom("reader-1", "nobody"), { maxLength: 3 }),
      item: fc.constantFrom("crime-1", "none"),
      k: fc.integer({ min: -1, max: 1001 }),
      exclude: fc.array(id, { maxLength: 3 }),
      filter: fc.dictionary(fc.oneof(fc.constantFrom("item", "title"), id), condition, { maxKeys: 2 }),
      why: fc.boolean(),
      includeHistory: fc.boolean(),
      maxTokens: fc.integer({ min: 0, max: 3 }),
      model: fc.constantFrom("main", "other"),
    },
    { requiredKeys: [] },
  );
  const loose = fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), id), value, { maxKeys: 5 });
  const text = fc.oneof(good, good, loose, fc.jsonValue()).map((body) => JSON.stringify(body));
  const damaged = fc
    .tuple(text, fc.nat(), fc.string({ unit: "binary", maxLength: 3 }))
    .map(([json, at, more]) => json.slice(0, at % (json.length + 1)) + more + json.slice((at % (json.length + 1)) + 1));
  const body = fc.oneof(
    { weight: 6, arbitrary: text },
    { weight: 2, arbitrary: damaged },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  );
  const type = fc.oneof(
    { weight: 9, arbitrary: fc.constant("application/json") },
    { weight: 1, arbitrary: fc.constantFrom("text/plain", "application/xml", "application/json; charset=utf-16", "x") },
  );
  const post = fc.record({ route: fc.constantFrom(...ROUTES), body, type }).map(({ type: contentType, ...rest }) => ({
    ...rest,
    method: "POST",
    headers: { "content-type": contentType },
  }));
  const path = fc
    .tuple(fc.constantFrom("/items/", "/users/", "/items?search=", "/users?limit=", "/"), fc.string({ unit: "binary" }))
    .map(([start, rest]) => ({ route: start + encodeURIComponent(rest), method: "GET" }));
  return fc.oneof({ weight: 8, arbitrary: post }, { weight: 2, arbitrary: path });
}

/**
 * "fine", or what is wrong with an answer.
 * @param {Response} response
 */
export async function isFine(response) {
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  if (response.status === 500 || response.status > 503) return `${response.status}: ${text}`;
  if (response.status < 400) return response.status === 200 ? "fine" : `${response.status}: ${text}`;
  if (type !== "application/problem+json") return `${response.status} of type ${type}: ${text}`;
  const { status, code, detail } = JSON.parse(text);
  return status === response.status && code && detail ? "fine" : `${response.status}: ${text}`;
}
