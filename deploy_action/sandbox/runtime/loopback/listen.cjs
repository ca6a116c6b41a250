// Loaded by the Node of every replica: "all addresses" means the replica's own loopback address.
// See sitecustomize.py, which does the same for Python.
"use strict";

const [own, lowest] = (process.env.LOCAL_AZURE_ADDRESS || "").split(" ");
const OFFSET = 30000;

if (own) {
  const net = require("node:net");
  const listen = net.Server.prototype.listen;
  const everywhere = (host) => host === undefined || host === null || ["", "0.0.0.0", "::"].includes(host);
  const outer = (port) => (port > 0 && port < Number(lowest) ? port + OFFSET : port);

  net.Server.prototype.listen = function (first, ...rest) {
    const options = first !== null && typeof first === "object" ? { ...first } : undefined;
    if (options && options.port !== undefined && everywhere(options.host)) {
      return listen.call(this, { ...options, host: own, port: outer(Number(options.port)) }, ...rest);
    }
    const isPort = typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first));
    if (isPort && (typeof rest[0] !== "string" || everywhere(rest[0]))) {
      const others = typeof rest[0] === "string" || rest[0] === undefined ? rest.slice(1) : rest;
      return listen.call(this, outer(Number(first)), own, ...others);
    }
    return listen.call(this, first, ...rest);
  };
}
