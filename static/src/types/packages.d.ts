// Packages that come without types.
declare module "plotly.js-cartesian-dist-min";
