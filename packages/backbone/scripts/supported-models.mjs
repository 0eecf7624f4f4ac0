// Writes the README's table of supported models from the code: `node scripts/supported-models.mjs` after a build. What
// models and features are called is in src/architectures/supported-models.ts; activations, RoPE scalings and tiny
// models are found by trying the parser.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ACTIVATIONS = ["relu", "gelu", "gelu_new", "silu"];
const ROPES = {
  linear: { factor: 2 },
  llama3: { factor: 2, low_freq_factor: 1, high_freq_factor: 4 },
  yarn: { factor: 2 },
  longrope: {},
};
const [BEGIN, END] = ["<!-- supported models: begin -->", "<!-- supported models: end -->"];

/**
 * The README with the table as the code says it.
 * @param {string} readme
 * @param {{ supportedModels: object, parseConfig: Function }} library
 * @param {string} fixtures the folder of tiny models
 */
export function withTable(readme, { supportedModels, parseConfig }, fixtures) {
  const tiny = tinyModels(fixtures);
  const rows = Object.entries(supportedModels).map(([type, { knownFrom, supported, refused }]) => {
    const configs = tiny.filter(({ config }) => config.model_type === type);
    if (configs.length === 0) throw new Error(`no tiny model of model_type ${type}: it is not checked by anything`);
    const activations = ACTIVATIONS.filter((name) => accepts(parseConfig, activated(configs[0].config, name)));
    const ropes = ropeTypes(parseConfig, configs);
    const cells = [
      `\`${type}\``,
      knownFrom,
      supported,
      activations.map((name) => `\`${name}\``).join(", "),
      ropes.join(", ") || "–",
      refused,
      String(configs.length),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const head = ["`model_type`", "known from", "supported", "activations", "RoPE", "refused by name", "tiny models"];
  const table = [`| ${head.join(" | ")} |`, `| ${head.map(() => "---").join(" | ")} |`, ...rows].join("\n");
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`README.md: expected the lines ${BEGIN} and ${END}`);
  return `${readme.slice(0, from + BEGIN.length)}\n${table}\n${readme.slice(to)}`;
}

/** The configs of the tiny models that tests compare with transformers. */
function tinyModels(fixtures) {
  return fs
    .readdirSync(fixtures)
    .sort()
    .map((name) => ({ name, config: JSON.parse(fs.readFileSync(path.join(fixtures, name, "config.json"), "utf8")) }));
}

/** The config with another activation, under whatever key it has one. */
function activated(config, name) {
  const { dense_act_fn: _, is_gated_act: __, ...rest } = config;
  if ("d_model" in config) return { ...rest, feed_forward_proj: name };
  const keys = { gpt2: "activation_function", opt: "activation_function", gemma3_text: "hidden_activation" };
  return { ...rest, [keys[config.model_type] ?? "hidden_act"]: name === "gelu_new" ? "gelu_pytorch_tanh" : name };
}

/** The scalings that the parser takes for any of these configs. */
function ropeTypes(parseConfig, configs) {
  if (!configs.some(({ config }) => "rope_parameters" in config || "rope_theta" in config || "rotary_pct" in config))
    return [];
  const scaled = ({ config }, type) => {
    const { rope_parameters: _, rope_scaling, ...rest } = config;
    const factors = type === "longrope" ? rope_scaling : ROPES[type];
    return { ...rest, rope_scaling: { ...factors, type, rope_type: type } };
  };
  return [
    "plain",
    ...Object.keys(ROPES).filter((type) => configs.some((each) => accepts(parseConfig, scaled(each, type)))),
  ];
}

function accepts(parseConfig, config) {
  try {
    parseConfig(config);
    return true;
  } catch {
    return false;
  }
}

const here = fileURLToPath(import.meta.url);
if (process.argv[1] && pathToFileURL(process.argv[1]).href === import.meta.url) {
  const folder = path.join(path.dirname(here), "..");
  const readme = path.join(folder, "README.md");
  const library = await import(pathToFileURL(path.join(folder, "dist", "index.js")).href);
  const text = withTable(fs.readFileSync(readme, "utf8"), library, path.join(folder, "test", "fixtures", "models"));
  fs.writeFileSync(readme, text);
}
