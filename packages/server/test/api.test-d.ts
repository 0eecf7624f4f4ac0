// The types that callers rely on; checked by `tsc`, never run.
import { type ServeOptions, type Server, serve } from "@cllm4rec/server";
import { expectTypeOf } from "vitest";

expectTypeOf(serve).parameters.toEqualTypeOf<[options: ServeOptions]>();
expectTypeOf(serve({ model: "model" })).resolves.toEqualTypeOf<Server>();
expectTypeOf(serve).toBeCallableWith({
  model: ["seed0", "seed1"],
  other: "ease",
  port: 0,
  host: "::1",
  recommender: { threads: 2, known: "train" },
  log: { level: "info", stream: process.stdout },
});
// @ts-expect-error a server needs a model
serve({});
declare const server: Server;
expectTypeOf(server).toExtend<AsyncDisposable>();
expectTypeOf(server.url).toEqualTypeOf<string>();
expectTypeOf(server.reload).returns.resolves.toBeVoid();
