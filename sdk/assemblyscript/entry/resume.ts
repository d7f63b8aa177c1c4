// Part of every plugin: the export that the server calls at the beginning of each call that starts from an image.
import { resume } from "prism/resume";

export function prism_resume(): void {
  resume();
}
