// /openapi.json as a page: server-rendered, no scripts.
import type { FastifyInstance } from "fastify";

interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
  readonly [keyword: string]: unknown;
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Operation {
  readonly summary?: string;
  readonly requestBody?: Content;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: Schema }[];
  readonly responses?: Readonly<Record<string, Content & { readonly description?: string }>>;
}

/** Adds /openapi.json and /docs. */
export function addDocs(app: FastifyInstance): void {
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  app.get("/docs", { schema: { hide: true } }, async (_request, reply) => {
    const { paths = {} } = JSON.parse(JSON.stringify(app.swagger()));
    return reply.type("text/html; charset=utf-8").send(docsPage(paths));
  });
}

function docsPage(paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>): string {
  const sections = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => section(path, method, operation)),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CLLM4Rec API</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/page/style.css">
</head>
<body class="docs">
<header><h1>CLLM4Rec API</h1><nav><a href="/">Page</a> <a href="/openapi.json">openapi.json</a></nav></header>
<main>
${sections.join("\n")}
</main>
</body>
</html>
`;
}

function section(path: string, method: string, { summary, requestBody, parameters = [], responses = {} }: Operation) {
  const body = requestBody?.content?.["application/json"]?.schema;
  const given = parameters.map(({ name, in: place, schema }) => row(`${name} (${place})`, schema ?? {}, false));
  const answers = Object.entries(responses).map(([status, { description = "", content = {} }]) => {
    const [[type, { schema }] = ["", {}]] = Object.entries(content);
    const fields = schema && type === "application/json" ? table(rowsOf(schema)) : "";
    return `<li><code>${escaped(status)}</code> ${escaped(description)}${
      type ? `, <code>${escaped(type)}</code>` : ""
    }${fields}</li>`;
  });
  return `<section>
<h2><span class="method">${escaped(method.toUpperCase())}</span> <code>${escaped(path)}</code></h2>
<p>${escaped(summary ?? "")}</p>
${table([...given, ...(body ? rowsOf(body) : [])])}
<ul>${answers.join("")}</ul>
</section>`;
}

const table = (rows: readonly string[]) =>
  rows.length > 0 ? `<div class="scroll"><table><tbody>${rows.join("")}</tbody></table></div>` : "";

function rowsOf({ properties = {}, required = [] }: Schema): string[] {
  return Object.entries(properties).map(([name, schema]) => row(name, schema, required.includes(name)));
}

function row(name: string, schema: Schema, required: boolean): string {
  const what = [schema.description, required ? "required" : ""].filter(Boolean).join("; ");
  return `<tr><th scope="row"><code>${escaped(name)}</code></th><td>${escaped(typeOf(schema))}</td>
<td>${escaped(what)}</td></tr>`;
}

function typeOf({ type, items, anyOf, properties, additionalProperties, ...limits }: Schema): string {
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(" or ");
  if (type === "array") return `list of ${typeOf(items ?? {})}${range(limits.minItems, limits.maxItems)}`;
  if (properties) return `{ ${Object.keys(properties).join(", ")} }`;
  if (typeof additionalProperties === "object") return `{ name: ${typeOf(additionalProperties)} }`;
  const name = [type ?? "anything"].flat().join(" or ");
  return `${name}${range(limits.minimum ?? limits.minLength, limits.maximum ?? limits.maxLength)}`;
}

function range(least: unknown, most: unknown): string {
  if (least === undefined && most === undefined) return "";
  if (least === undefined) return ` (at most ${most})`;
  return most === undefined ? ` (${least} or more)` : ` (${least}–${most})`;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string) => text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);
