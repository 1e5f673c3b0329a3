// Material makes these elements when a page is shown, without a name and out of the keyboard's reach.
(function () {
  function mend() {
    document.querySelectorAll("nav.md-code__nav:not([aria-label])").forEach(function (nav) {
      nav.setAttribute("aria-label", "Tools of code block " + ++mend.count);
    });
    document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach(function (wrap) {
      wrap.setAttribute("tabindex", "0");
    });
  }
  mend.count = 0;
  new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true });
  mend();
})();
