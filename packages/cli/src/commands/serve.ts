// cllm4rec serve: a model behind HTTP until a signal ends it.
import type { Known } from "@cllm4rec/recommend";
import { Command, InvalidArgumentError, Option } from "commander";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import { ENGINE, integerFrom, MODELS, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  readonly model: readonly string[];
  readonly other?: readonly string[];
  readonly port: number;
  readonly host: string;
  readonly fields?: string;
  readonly itemsFile?: string;
  readonly known: Known;
  readonly watch?: boolean;
  readonly latency: number;
  readonly queue: number;
  readonly drainDelay: number;
  readonly log?: string;
  readonly json?: boolean;
  readonly data?: string;
  readonly backbone?: string;
  readonly engine?: EngineName;
  readonly threads?: number;
}

/** Choices of `--known`, here so that --help loads no model. */
const KNOWN = ["all", "train+validation", "train"] as const satisfies readonly Known[];
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** Milliseconds between two looks of `--watch`. */
const WATCH = 2000;

const HELP = `
Once the server is ready, it prints its address on standard error. Open it in a browser for the page, or see /docs for
the API. There is no authentication: put a proxy in front of the server before you give --host.

SIGTERM and SIGINT end the server: it answers what was sent and refuses new connections. SIGHUP opens the model
directories again; requests in flight finish with the old model. If the new one cannot be opened, the old one stays.

Examples:
  $ cllm4rec serve --model model
  $ cllm4rec serve --model seed0 seed1 --other baseline --port 9000 --watch
  $ curl -d '{"user":"A1YJEY40YUW4SE","k":5}' -H 'content-type: application/json' http://127.0.0.1:8080/recommend

Exit codes: 0 ended by SIGTERM or SIGINT, 1 the model or the port cannot be used, 2 wrong usage.
`;

/** The `serve` command. */
export function serveCommand(context: CliContext): Command {
  return new Command("serve")
    .description("Serve a model over HTTP, with a web page to explore it.")
    .requiredOption(...MODELS)
    .option("--other <dir...>", "another model, which the page compares with the first")
    .option("--port <n>", "the port to listen on; 0: any free port", integerFrom(0, 65_535), 8080)
    .option(
      "--host <address>",
      "the address to listen on; 0.0.0.0: reachable from other machines",
      hostName,
      "127.0.0.1",
    )
    .option("--fields <file>", "a JSONL file with item fields to filter by")
    .option("--items-file <file>", "keeps items added by POST /items; default: in the model directory")
    .addOption(new Option("--known <splits>", "what counts as a user's history").choices([...KNOWN]).default("all"))
    .option("--watch", "open the model directories again when they are replaced")
    .option("--latency <ms>", "the latency that batches are adapted to", integerFrom(1, 60_000), 250)
    .option(
      "--queue <n>",
      "the largest number of waiting requests; further ones get a 503",
      integerFrom(0, 1_000_000),
      1024,
    )
    .option("--drain-delay <ms>", "how long it still accepts connections after SIGTERM", integerFrom(0, 600_000), 0)
    .addOption(
      new Option("--log <level>", "JSON lines on standard output; debug: each request").choices([...LOG_LEVELS]),
    )
    .option("--data <dir>", "where the dataset is now, if it was moved; only for models that hold no histories")
    .option("--backbone <dir|hub-id>", "where the backbone is now, if it was moved")
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "the address as one JSON object on stdout, once the server is ready")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const [{ serve }, { serving }] = await Promise.all([
        import("@cllm4rec/server"),
        import("../models/workplace.js"),
      ]);
      const { signal, stderr, stdout } = context;
      const display = new StageDisplay(stderr, context.verbosity);
      const { model, other, port, host, fields, itemsFile, known, data, latency, queue, drainDelay, log, json } = flags;
      const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
      await serving({ ...flags, engine }, { signal, display }, async ({ signal: _, ...places }) => {
        const server = await serve({
          model,
          port,
          host,
          latencyBound: latency,
          maxWaiting: queue,
          drainDelay,
          watch: flags.watch ? WATCH : 0,
          recommender: {
            ...places,
            known,
            onNotice: (message) => display.say(message),
            ...(data && { data }),
            ...(itemsFile !== undefined && { itemsFile }),
          },
          signal,
          ...(other && { other }),
          ...(fields !== undefined && { fields }),
          ...(log && { log: { level: log, stream: stdout, requests: log === "debug" } }),
        });
        display.stop();
        const reload = () => {
          server.reload().then(
            () => stderr.write(`reloaded ${model.join(" ")}\n`),
            (error: Error) =>
              stderr.write(`warning: not reloaded, the previous model stays in use: ${error.message}\n`),
          );
        };
        context.becomeService?.(reload);
        stderr.write(`serving ${model.join(" ")} at ${server.url}\n`);
        if (json) stdout.write(`${JSON.stringify({ model, url: server.url })}\n`);
        try {
          await aborted(signal);
        } finally {
          await server.close();
        }
      });
    });
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

function hostName(text: string): string {
  if (text.trim() === "" || text.includes("/")) throw new InvalidArgumentError("A host name or address is expected.");
  return text;
}
