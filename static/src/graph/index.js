export { GraphView } from "./view.js";
