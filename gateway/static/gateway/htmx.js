// unfold's pages load htmx: it inserts no style sheet of its own, runs no text as a script, asks no other host.
"use strict";

Object.assign(window.htmx.config, {
  includeIndicatorStyles: false,
  allowEval: false,
  allowScriptTags: false,
  selfRequestsOnly: true,
});
