// The routes of the API: form and documentation of each, and which call of the service answers it.
import { setMaxListeners } from "node:events";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { z } from "zod";
import type { Service } from "../model/service.js";
import * as schemas from "../schemas.js";
import { jsonSchema, type Limits } from "../schemas.js";

const PROBLEM = { type: "object", additionalProperties: true, ...jsonSchema(schemas.problem) };

/** A route's documentation, and the forms of what it takes and gives. */
function form(
  summary: string,
  {
    status = 200,
    answer,
    errors = [],
    ...inputs
  }: {
    readonly body?: z.ZodType;
    readonly params?: z.ZodType;
    readonly querystring?: z.ZodType;
    readonly status?: number;
    readonly answer?: z.ZodType;
    readonly errors?: readonly number[];
  },
) {
  const content = (schema: unknown, type: string) => ({ content: { [type]: { schema } } });
  const problems = errors.map((code) => [
    code,
    { description: ERRORS[code] ?? "Error", ...content(PROBLEM, "application/problem+json") },
  ]);
  return {
    schema: {
      summary,
      ...Object.fromEntries(Object.entries(inputs).map(([name, schema]) => [name, jsonSchema(schema)])),
      response: {
        [status]: answer
          ? { description: "Done", ...content(jsonSchema(answer), "application/json") }
          : { description: "Done", type: "null" },
        ...Object.fromEntries(problems),
      },
    },
  };
}

const ERRORS: Readonly<Record<number, string>> = {
  400: "The request makes no sense",
  404: "Unknown user, item or model",
  409: "The model's state forbids it: no histories, or an item of this id",
  501: "The model cannot do it",
  503: "The queue is full; Retry-After says when to come back",
};

/** A signal that is aborted when the client goes away before it has its answer. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  // Each of the users of a call listens.
  setMaxListeners(0, gone.signal);
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort(new Error("the client closed the connection"));
  });
  return gone.signal;
}

/** Adds the API's routes. */
export function addRoutes(app: FastifyInstance, service: Service, limits: Limits): void {
  app.post<{ Body: schemas.RecommendBody }>(
    "/recommend",
    form("The best items for a user, a history, or several users", {
      body: schemas.recommendBody(limits),
      answer: schemas.recommendAnswer,
      errors: [400, 404, 409, 503],
    }),
    ({ body }, reply) => service.recommend(body, goneSignal(reply)),
  );
  app.post<{ Body: schemas.SimilarBody }>(
    "/similar-items",
    form("The items whose embeddings are nearest", {
      body: schemas.similarBody,
      answer: schemas.listAnswer,
      errors: [400, 404],
    }),
    ({ body }) => service.similarItems(body),
  );
  app.post<{ Body: schemas.ExplainBody }>(
    "/explain",
    form("A review that the user might write of the item, or a description of it, from the content LLM", {
      body: schemas.explainBody,
      answer: schemas.explainAnswer,
      errors: [400, 404, 501, 503],
    }),
    ({ body }, reply) => service.explain(body, goneSignal(reply)),
  );
  app.get<{ Querystring: schemas.SearchQuery }>(
    "/items",
    form("Items by words of their title or id", { querystring: schemas.searchQuery, answer: schemas.itemsAnswer }),
    async ({ query: { search = "", limit = "20" } }) => ({
      items: service.model().current.catalog.searchItems(search, Number(limit)),
    }),
  );
  app.post<{ Body: schemas.ItemsBody }>(
    "/items",
    form("Adds items by their text: all of them or none", {
      body: schemas.itemsBody,
      status: 201,
      answer: schemas.itemsAnswer,
      errors: [400, 409, 501],
    }),
    async ({ body }, reply) => reply.code(201).send(await service.addItems(body)),
  );
  app.get<{ Params: { id: string } }>(
    "/items/:id",
    form("An item with its title and fields", { params: schemas.idParams, answer: schemas.itemAnswer, errors: [404] }),
    async ({ params }) => service.item(params.id),
  );
  app.put<{ Params: { id: string }; Body: schemas.ItemTextBody }>(
    "/items/:id",
    form("Replaces text and title of an item that was added", {
      params: schemas.idParams,
      body: schemas.itemTextBody,
      answer: schemas.itemAnswer,
      errors: [400, 404, 409],
    }),
    ({ params, body }) => service.updateItem(params.id, body),
  );
  app.delete<{ Params: { id: string } }>(
    "/items/:id",
    form("Removes an item from all lists", { params: schemas.idParams, status: 204, errors: [404] }),
    async ({ params }, reply) => {
      await service.removeItem(params.id);
      return reply.code(204).send();
    },
  );
  app.get<{ Querystring: schemas.SearchQuery }>(
    "/users",
    form("Users by a part of their id", { querystring: schemas.searchQuery, answer: schemas.usersAnswer }),
    async ({ query: { search = "", limit = "20" } }) => ({
      users: service.model().current.catalog.searchUsers(search, Number(limit)),
    }),
  );
  app.get<{ Params: { id: string } }>(
    "/users/:id",
    form("What is known of a user", { params: schemas.idParams, answer: schemas.userAnswer, errors: [404, 409] }),
    async ({ params }) => service.user(params.id),
  );
  app.get("/model", form("What answers", { answer: schemas.modelAnswer }), async () => service.describe());
}
