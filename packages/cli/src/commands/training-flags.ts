// The flags of the training commands, made of the settings' schemas: one for each setting that a person can give on one
// line.
import { describeSettings, type SettingDescription, type SettingsSchema } from "@cllm4rec/training/stage";
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseEngine } from "../engine/engine.js";
import { parsedBy } from "../options.js";
import { generalSchema, type StageName, sections } from "../settings/config.js";

/** A flag, and the setting's place in the configuration: `stage.key` for one stage's. */
export interface TrainingFlag {
  readonly option: Option;
  readonly place: string;
}

/** Names that flags had before there was a rule: they are kept, and not shown twice. */
const ALIASES: Readonly<Record<string, string>> = {
  saveEverySeconds: "save-every",
  "finetune.batch": "batch",
  "finetune.learningRate": "learning-rate",
  "finetune.dropout": "dropout",
  "finetune.lambdaC": "lambda-c",
};

const HEADINGS = { pretrain: "Pretraining:", finetune: "Finetuning:" } as const;

/**
 * All flags of a command: a setting's name in kebab-case, with the stage in front where both stages have the setting.
 * @param stages those that the command runs
 */
export function trainingFlags(stages: readonly StageName[]): TrainingFlag[] {
  const own = (stage: StageName) => Object.keys(sections[stage].shape);
  const shared = new Set(own("pretrain").filter((name) => own("finetune").includes(name)));
  return [
    ...flagsOf(generalSchema, "Options:", (name) => ({ place: name, flag: kebab(name) })),
    ...stages.flatMap((stage) =>
      flagsOf(sections[stage], HEADINGS[stage], (name) => ({
        place: `${stage}.${name}`,
        flag: shared.has(name) ? `${stage}-${kebab(name)}` : kebab(name),
      })),
    ),
  ];
}

/** Adds {@link trainingFlags} to a command. @returns the settings' places by the options' names */
export function addTrainingFlags(command: Command, stages: readonly StageName[]): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const { option, place } of trainingFlags(stages)) {
    command.addOption(option);
    places.set(option.attributeName(), place);
  }
  return places;
}

/** The options that are settings, by their place in the configuration. */
export function settingsByPlace(
  options: Readonly<Record<string, unknown>>,
  places: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const settings = Object.entries(options).flatMap(([name, value]) => {
    const place = places.get(name);
    return place === undefined ? [] : [[place, value] as const];
  });
  return Object.fromEntries(settings);
}

function flagsOf(
  schema: SettingsSchema,
  heading: string,
  nameOf: (setting: string) => { readonly place: string; readonly flag: string },
): TrainingFlag[] {
  return describeSettings(schema)
    .filter(({ form }) => form !== "none")
    .flatMap((setting) => {
      const { place, flag } = nameOf(setting.name);
      const parse = setting.name === "engine" ? parsedBy(parseEngine) : parserOf(schema, setting);
      const alias = ALIASES[place];
      const make = (name: string, about: string) => {
        const option = new Option(`--${name}${argument(setting)}`, about).helpGroup(heading);
        if (parse) option.argParser(parse);
        return { option, place };
      };
      const shown = make(flag, describe(setting, alias));
      if (alias === undefined) return [shown];
      const hidden = make(alias, "");
      hidden.option.hideHelp();
      return [shown, hidden];
    });
}

function argument({ form, unit, words }: SettingDescription): string {
  if (form === "switch") return "";
  if (form === "list") return " <name...>";
  const choices = [...(unit === undefined ? [] : ["n"]), ...words].join("|");
  if (words.length > 0) return choices.length > 30 ? " <name>" : ` <${choices}>`;
  return ` <${unit ?? (form === "number" ? "n" : "value")}>`;
}

function describe(setting: SettingDescription, alias: string | undefined): string {
  const { description, range, default: value, form, words } = setting;
  const facts = [
    // What only a file can hold is left out.
    ...(form === "number" ? [range.replace(/ or \{.*$/, "")] : []),
    ...(form === "text" && words.length > 0 && argument(setting) === " <name>" ? [words.join(", ")] : []),
    ...(form === "switch" || value === "required" ? [] : [`default: ${value.replaceAll('"', "")}`]),
    ...(alias === undefined ? [] : [`also --${alias}`]),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join("; ")})`;
}

/**
 * From text to the first value that the setting's schema takes: a number, a range such as 0.3-0.7, or the text itself.
 */
function parserOf(schema: SettingsSchema, { name, form, range }: SettingDescription) {
  if (form === "switch" || form === "list") return undefined;
  const field = schema.shape[name];
  return (text: string): unknown => {
    const numbers = text.split("-").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    const number = text.trim() === "" ? Number.NaN : Number(text);
    const candidates = [number, ...(numbers.length > 1 ? [numbers] : []), text];
    const found = candidates.find((candidate) => field?.safeParse(candidate).success);
    if (found === undefined) throw new InvalidArgumentError(`${range[0]?.toUpperCase()}${range.slice(1)} is expected.`);
    return found;
  };
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
