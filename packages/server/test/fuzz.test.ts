// Bodies that nobody would send: no answer is a 500, and each is JSON of the right kind.
import fc from "fast-check";
import { expect, it } from "vitest";
import { fuzzedRequest, isFine } from "../scripts/fuzzed-request.mjs";
import { start } from "./helpers.js";

it("hostile bodies are never answered 500", async () => {
  const { url } = await start();
  await fc.assert(
    fc.asyncProperty(fuzzedRequest(fc), async (request) => {
      const { route, ...init } = request;
      const response = await fetch(`${url}${route}`, init);
      expect(await isFine(response)).toBe("fine");
    }),
    { numRuns: 100 },
  );
});
