// Check workflows and actions with GitHub's own parser: node check.mjs ACTION_YML FILE...
// ACTION_YML describes the action that steps use as "./" or "OWNER/deploy-action@REF".
import {readFileSync} from "node:fs";
import {register} from "node:module";
import {pathToFileURL} from "node:url";
import {TextDocument} from "vscode-languageserver-textdocument";
import {parse} from "yaml";

// The packages are made for bundlers: they import JSON files without saying that they are JSON.
const hook = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? {...context, importAttributes: {type: "json"}} : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
const {validate} = await import("@actions/languageservice");

const [actionFile, ...files] = process.argv.slice(2);
const metadata = parse(readFileSync(actionFile, "utf8"));
const actionsMetadataProvider = {
  fetchActionMetadata: async ({name}) => (name === "deploy-action" ? metadata : undefined),
};

let count = 0;
for (const file of files) {
  // GitHub reads "./" only from the checkout: check those steps as if they named the repository.
  const text = readFileSync(file, "utf8").replaceAll(/uses: \.\/$/gm, "uses: the-well/deploy-action@v1");
  const document = TextDocument.create(pathToFileURL(file).href, "yaml", 1, text);
  for (const {message, range} of await validate(document, {actionsMetadataProvider})) {
    if (message.startsWith("Unable to resolve action")) continue; // another action: not looked up
    console.log(`${file}:${range.start.line + 1}:${range.start.character + 1}: ${message}`);
    count += 1;
  }
}
process.exitCode = count ? 1 : 0;
