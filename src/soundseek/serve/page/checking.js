// Favourites are kept here while the library goes on: are they still what they were?
import { get } from "/assets/api.js";
import { tellTrouble } from "/assets/peaks.js";

const checked = new Set();

/** Look these sounds up, once a visit each; a row that is no longer true says so. */
export async function checkSounds(items) {
  for (const { id, path } of items) {
    if (checked.has(path)) continue;
    checked.add(path);
    try {
      const clip = await get(`/clips/${id}`);
      if (clip.path !== path) tellTrouble(id, new Error("The library was made anew since: search for it again."));
    } catch (error) {
      if (error.status === 404) tellTrouble(id, new Error("It is no longer in the library."));
      else checked.delete(path);
    }
  }
}
