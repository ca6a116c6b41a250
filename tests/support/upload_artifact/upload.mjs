// Uploads a folder as an artifact, with the library that actions/upload-artifact uses.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const library = join(process.env.ARTIFACT_CLIENT, "node_modules/@actions/artifact/lib/artifact.js");
const { DefaultArtifactClient } = await import(pathToFileURL(library));

const folder = process.env.INPUT_PATH;
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
const days = Number(process.env["INPUT_RETENTION-DAYS"]);
const { id, size } = await new DefaultArtifactClient().uploadArtifact(
  process.env.INPUT_NAME,
  files,
  folder,
  { retentionDays: days },
);
console.log(`Uploaded artifact ${id} with ${size} bytes for ${days} days`);
