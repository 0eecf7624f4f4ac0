// What /metrics tells Prometheus.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RequestQueue } from "../model/queue.js";

/** The instruments of one server; each server has a registry of its own. */
export interface Metrics {
  readonly registry: Registry;
  readonly seconds: Histogram<"method" | "route" | "status">;
  readonly cached: Counter<"result">;
  readonly reloads: Counter<"result">;
  readonly changes: Counter<"change">;
}

/** @param addedItems how many items the model has beside those of training */
export function createMetrics(queues: Readonly<Record<string, RequestQueue>>, addedItems: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const queueGauge = (name: string, help: string, value: (queue: RequestQueue) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["queue"],
      registers,
      collect() {
        for (const [queue, one] of Object.entries(queues)) this.set({ queue }, value(one));
      },
    });
  queueGauge("cllm4rec_queue_waiting", "Requests that wait for the recommender", ({ waiting }) => waiting);
  queueGauge("cllm4rec_queue_inside", "Requests in the recommender", ({ inside }) => inside);
  queueGauge("cllm4rec_queue_limit", "Most requests in the recommender, by the measured latency", ({ limit }) => limit);
  new Gauge({
    name: "cllm4rec_added_items",
    help: "Items that were added by their text",
    registers,
    collect() {
      this.set(addedItems());
    },
  });
  return {
    registry,
    seconds: new Histogram({
      name: "cllm4rec_http_request_seconds",
      help: "Time from a request's head to the end of its answer",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    cached: new Counter({
      name: "cllm4rec_cache_lookups_total",
      help: "Answers that the cache had (hit) or not (miss)",
      labelNames: ["result"],
      registers,
    }),
    changes: new Counter({
      name: "cllm4rec_item_changes_total",
      help: "Items that were added, updated or removed",
      labelNames: ["change"],
      registers,
    }),
    reloads: new Counter({
      name: "cllm4rec_model_reloads_total",
      help: "Model directories that were opened again, and whether that succeeded",
      labelNames: ["result"],
      registers,
    }),
  };
}
