-- The decision of gateway.wasm as a script: which listener owns the host, by its longest suffix; what none owns is
-- refused, and the listener and its tags are left for the access log.
local exact, suffix = { EXACT }, { SUFFIX }

local function owner(host)
  local name = string.lower((string.gsub(host, ":%d+$", "")))
  local found = exact[name]
  while found == nil and name ~= nil do
    name = string.match(name, "^[^.]*%.(.*)$")
    found = name and suffix[name]
  end
  return found
end

function envoy_on_request(handle)
  local host = handle:headers():get(":authority")
  local listener = host and owner(host)
  if listener == nil then
    handle:respond({ [":status"] = "404", ["x-meshgate-reason"] = "no_listener" }, "no_listener\n")
    return
  end
  local state = handle:streamInfo():dynamicMetadata()
  state:set("meshgate", "listener", listener)
  state:set("meshgate", "tags", "&kuma.io/service=edge&")
end
