// The HTTP application: what holds for every route, such as bounds, headers, errors and measurement.
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { Problem, problemOf } from "../problem.js";
import type { Metrics } from "./metrics.js";

/** What of the server's options concerns HTTP. */
export interface AppOptions {
  readonly bodyLimit: number;
  readonly logger: false | { readonly level: string; readonly stream: NodeJS.WritableStream };
  readonly logRequests: boolean;
  readonly version: string;
}

/** No script, style or connection of another origin, no inline script, no frame around the page. */
const SECURITY = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri " +
    "'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

/** An application without routes. */
export async function createApp(options: AppOptions, metrics: Metrics): Promise<FastifyInstance> {
  const { bodyLimit, logger, logRequests, version } = options;
  const app = fastify({
    bodyLimit,
    logger: logger && { level: logger.level, stream: logger.stream },
    logController: new LogController({ disableRequestLogging: !logRequests }),
    routerOptions: { maxParamLength: 2048 },
    // A request without an end does not hold a connection for ever.
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    forceCloseConnections: false,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false, strict: false } },
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
    clientErrorHandler(error, socket) {
      if (error.code === "ECONNRESET" || !socket.writable) return;
      const status = CLIENT_ERRORS[error.code] ?? 400;
      const { body } = new Problem(status, "bad-http", "the request is no valid HTTP, or its head is too large");
      const text = JSON.stringify(body);
      const head = [
        `HTTP/1.1 ${status} ${body.title}`,
        "Content-Type: application/problem+json",
        `Content-Length: ${text.length}`,
        "Connection: close",
        "\r\n",
      ].join("\r\n");
      socket.end(head + text);
    },
  });
  // Bodies are JSON; without this, Fastify takes text too, which pages of other origins may send without asking.
  app.removeContentTypeParser("text/plain");
  app.addHook("onRequest", async (_request, reply) => {
    reply.headers(SECURITY);
    reply.header("cache-control", "no-store");
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unknown";
    metrics.seconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request) => {
    throw new Problem(404, "no-such-route", `${request.method} ${pathOf(request)}: there is no such route; see /docs`);
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.0.3",
      info: { title: "CLLM4Rec", description: "Recommendations of a trained CLLM4Rec model", version },
    },
  });
  return app;
}

const CLIENT_ERRORS: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

const pathOf = ({ url }: FastifyRequest) => url.slice(0, 200).split("?", 1)[0];

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error);
  const { body, more } = problem;
  if (body.status === 500 && !reply.raw.destroyed) request.log.error(error);
  if (more.retryAfter !== undefined) reply.header("retry-after", more.retryAfter);
  return reply.code(body.status).type("application/problem+json").serializer(JSON.stringify).send(body);
}
