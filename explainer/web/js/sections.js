// The mounts of the page's sections by the names of their modules. `web/scripts.py` writes this module
// for a page: it imports those of the folders of its sections.

/** @type {Record<string, (context: Context) => void>} */
export const SECTIONS = {};
