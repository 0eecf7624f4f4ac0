// Routes for those who run the service: liveness, readiness, metrics.
import type { FastifyInstance } from "fastify";
import { Problem } from "../problem.js";
import type { Metrics } from "./metrics.js";

/** Adds /healthz, /readyz and /metrics. */
export function addOperations(app: FastifyInstance, { registry }: Metrics, isDraining: () => boolean): void {
  const text = (summary: string) => ({ schema: { summary } });
  app.get("/healthz", text("The process answers"), async () => ({ status: "ok" }));
  app.get("/readyz", text("Requests may be sent here; 503 while the server drains"), async () => {
    if (isDraining()) throw new Problem(503, "draining", "the server is about to end; send requests elsewhere");
    return { status: "ready" };
  });
  app.get("/metrics", text("Metrics in Prometheus' text format"), async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
}
