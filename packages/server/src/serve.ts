// A model behind HTTP: opens it, listens, and shuts down in order.
import type { AddressInfo } from "node:net";
import packageJson from "../package.json" with { type: "json" };
import { createApp } from "./http/app.js";
import { addDocs } from "./http/docs.js";
import { Drain } from "./http/drain.js";
import { createMetrics } from "./http/metrics.js";
import { addOperations } from "./http/operations.js";
import { addPage } from "./http/page.js";
import { addRoutes } from "./http/routes.js";
import { readItemFields } from "./model/fields.js";
import { RequestQueue } from "./model/queue.js";
import { Service } from "./model/service.js";
import { ModelSlot } from "./model/slot.js";
import { resolveNumbers, type ServeOptions } from "./options.js";
import { watchModels } from "./watch.js";

/** A running server. */
export interface Server extends AsyncDisposable {
  /** Its address, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /**
   * Opens the model directories again and switches to the new models. Requests in flight finish with the model that
   * they began with.
   * @throws what `openRecommender` throws; the previous model then stays in use
   */
  reload(): Promise<void>;
  /** Answers what was sent, refuses new connections, closes the models. Any number of calls. */
  close(): Promise<void>;
}

/** How many texts are written at a time, and how many wait. */
const EXPLANATIONS = { latencyBound: Number.POSITIVE_INFINITY, maxConcurrent: 1, maxWaiting: 32 };

/**
 * Opens the models, then listens.
 * @throws what `openRecommender` throws; RangeError for options out of range; Error for a file of fields that is none,
 *   or an address that is taken. Everything opened so far is closed.
 *
 * @example
 * const server = await serve({ model: "model", port: 8080 });
 * process.once("SIGTERM", () => server.close());
 */
export async function serve(options: ServeOptions): Promise<Server> {
  const numbers = resolveNumbers(options);
  const { host = "127.0.0.1", log, recommender, signal } = options;
  const fields = options.fields === undefined ? undefined : await readItemFields(options.fields);
  const opening = { ...recommender, ...(signal && { signal }) };
  const models = new Map<string, ModelSlot>();
  const closers: (() => Promise<unknown>)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    for (const [name, directories] of [
      ["main", options.model],
      ["other", options.other],
    ] as const) {
      if (directories === undefined) continue;
      const slot = await ModelSlot.open([directories].flat(), opening);
      models.set(name, slot);
      closers.push(() => slot.close());
    }
    const now = () => performance.now();
    const queue = new RequestQueue({ ...numbers, now });
    const explanations = new RequestQueue({ ...EXPLANATIONS, now });
    const metrics = createMetrics(
      { recommend: queue, explain: explanations },
      () => models.get("main")!.current.recommender.addedItems.length,
    );
    const service = new Service({
      models,
      fields,
      queue,
      explanations,
      cacheSize: numbers.cacheSize,
      maxAddedItems: numbers.maxAddedItems,
      onChanged: (change, items) => metrics.changes.inc({ change }, items),
      onCached: (hit) => metrics.cached.inc({ result: hit ? "hit" : "miss" }),
    });
    const { version } = packageJson;
    const logger = log ? { level: log.level, stream: log.stream } : (false as const);
    const app = await createApp(
      { bodyLimit: numbers.bodyLimit, logger, logRequests: log?.requests ?? false, version },
      metrics,
    );
    closers.push(() => app.close());
    const drain = new Drain(app, numbers);
    addRoutes(app, service, numbers);
    addOperations(app, metrics, () => drain.draining);
    addDocs(app);
    await addPage(app);
    await app.listen({ port: numbers.port, host });

    const reload = async () => {
      try {
        await service.reload();
        metrics.reloads.inc({ result: "success" });
        app.log.info(service.describe(), "reloaded");
      } catch (error) {
        metrics.reloads.inc({ result: "failure" });
        app.log.error(error, "the models cannot be reloaded; the previous ones stay in use");
        throw error;
      }
    };
    if (numbers.watch > 0) {
      const directories = Array.from(models.values(), (slot) => slot.directories).flat();
      closers.push(watchModels(directories, numbers.watch, () => reload().catch(() => undefined)));
    }
    closers.push(() => drain.run());
    const url = addressOf(app.server.address() as AddressInfo);
    app.log.info({ url, ...service.describe() }, "listening");
    let closing: Promise<void> | undefined;
    const close = () => {
      closing ??= closeAll();
      return closing;
    };
    return { url, reload, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await closeAll().catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}

const addressOf = ({ address, family, port }: AddressInfo) =>
  `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
