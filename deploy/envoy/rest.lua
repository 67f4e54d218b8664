-- What google.api.http does not say, or Envoy does not do: `tandem.gateway.v1.method`, and `response_body`.
--
-- prepare.py writes two tables above this: for each method by its path, what the contract says about it (`methods`),
-- and what requests begin with that say what they change (`masked`).
-- Before the transcoder, headers become query parameters and PATCH gets its mask; after it, answers get their shape,
-- status and headers. JSON is never built here, only cut: what a member holds is passed on letter by letter.
--
-- Waiting for a body ends the life of every object that was asked for before: headers are asked for again after it.

local FORWARDED = {
  ["authorization"] = true, ["content-length"] = true, ["content-type"] = true, ["grpc-timeout"] = true,
  ["traceparent"] = true, ["tracestate"] = true, ["transfer-encoding"] = true,
  ["x-forwarded-for"] = true, ["x-forwarded-proto"] = true, ["x-request-id"] = true,
}

local STATUSES = {
  [0] = "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
  "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

-- For what Envoy refuses by itself, which has an HTTP status only.
local STATUS_OF_HTTP = {
  ["400"] = "INVALID_ARGUMENT", ["404"] = "NOT_FOUND", ["408"] = "DEADLINE_EXCEEDED", ["413"] = "INVALID_ARGUMENT",
  ["415"] = "INVALID_ARGUMENT", ["429"] = "RESOURCE_EXHAUSTED", ["431"] = "INVALID_ARGUMENT",
  ["503"] = "UNAVAILABLE", ["504"] = "DEADLINE_EXCEEDED",
}

-- Where a JSON value ends that begins at `at`.
local function end_of(json, at)
  local depth = 0
  while true do
    local character = json:sub(at, at)
    if character == '"' then
      at = at + 1
      while true do
        at = json:find('["\\]', at)
        if not at then return #json end
        if json:sub(at, at) == '"' then break end
        at = at + 2 -- what is escaped
      end
      if depth == 0 then return at end
    elseif character == "{" or character == "[" then
      depth = depth + 1
    elseif character == "}" or character == "]" then
      depth = depth - 1
      if depth == 0 then return at end
    elseif depth == 0 then
      return (json:find("[,}%]%s]", at) or #json + 1) - 1
    end
    at = json:find('["%[%]{}]', at + 1)
    if not at then return #json end
  end
end

-- The names of an object's members in their order, and what each of them holds.
local function members(json)
  local names, values = {}, {}
  local at = json and json:match("^%s*{()")
  while at do
    local name, start = json:match('^[%s,]*"([^"\\]*)"%s*:%s*()', at)
    if not name then break end
    local stop = end_of(json, start)
    names[#names + 1], values[name] = name, json:sub(start, stop)
    at = stop + 1
  end
  return names, values
end

local function held(json, path)
  for name in path:gmatch("[^.]+") do
    local _, values = members(json)
    json = values[name]
  end
  return json
end

local function encoded(text)
  return (text:gsub("[^%w._~-]", function(character) return ("%%%02X"):format(character:byte()) end))
end

-- The text of a value, encoded for a URL; what is escaped in a string has no place there.
local function text_of(json, path)
  local value = held(json, path) or ""
  return encoded(value:match('^"(.*)"$') or value)
end

-- local_reply_config puts the message into the shape of every error.
local function refuse(handle, http, message)
  handle:respond({[":status"] = http}, message)
end

local function with(path, name, value)
  return path .. (path:find("?", 1, true) and "&" or "?") .. name .. "=" .. value
end

local function text_of_body(handle)
  local body = handle:body(true)
  return body:getBytes(0, body:length())
end

local function is_masked(request)
  for _, pattern in ipairs(masked) do
    if request:find(pattern) then return true end
  end
  return false
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local noted = handle:streamInfo():dynamicMetadata()
  local id = headers:get("x-request-id") or ""
  if #id > 128 or id:find("[^%w._-]") then
    headers:remove("x-request-id")
    id = ""
  end
  local agent = headers:get("user-agent")
  local if_match, if_none_match = headers:get("if-match"), headers:get("if-none-match")
  local attempt = headers:get("idempotency-key")
  noted:set("rest", "id", id)
  noted:set("rest", "if_match", if_match or "")
  noted:set("rest", "if_none_match", if_none_match or "")
  noted:set("rest", "signed", headers:get("authorization") and "yes" or "")

  -- The transcoder lets gRPC through as it is, to methods that have no route as well.
  if (headers:get("content-type") or ""):lower():find("application/grpc", 1, true) then
    noted:set("rest", "grpc", "yes")
    return refuse(handle, "415", "expected a body of content type application/json, in UTF-8")
  end
  if headers:get(":method") == "HEAD" then noted:set("rest", "head", "yes") end
  local unwanted = {}
  for name, _ in pairs(headers) do
    if name:sub(1, 1) ~= ":" and not FORWARDED[name] then unwanted[#unwanted + 1] = name end
  end
  for _, name in ipairs(unwanted) do headers:remove(name) end
  if agent then headers:add("x-forwarded-user-agent", agent) end

  local timeout = headers:get("grpc-timeout")
  if timeout and not (#timeout <= 9 and timeout:find("^%d+[HMSmun]$")) then
    return refuse(handle, "400", "Grpc-Timeout: expected up to eight digits and one of H, M, S, m, u, n, such as 500m")
  end

  local verb, path = headers:get(":method"), headers:get(":path")
  noted:set("rest", "reads", verb == "GET" and "yes" or "")
  if verb == "GET" or verb == "HEAD" then return end
  if if_none_match then return refuse(handle, "400", "If-None-Match: this method does not take this condition") end
  if if_match and if_match ~= "*" then
    local version = if_match:match('^"([\33\35-\126]*)"$')
    if not version then return refuse(handle, "400", "If-Match: expected one entity tag") end
    path = with(path, "etag", encoded(version))
  end
  if attempt then path = with(path, "idempotency_key", encoded(attempt)) end
  if is_masked(verb .. " " .. path) and not path:find("[?&]update_?[mM]ask=") then
    local mask = verb == "PUT" and "*" or table.concat(members(text_of_body(handle)), ",")
    path = with(path, "update_mask", encoded(mask))
  end
  handle:headers():replace(":path", path)
end

local function replace_body(handle, text)
  handle:body(true):setBytes(text)
  handle:headers():replace("content-length", tostring(#text))
end

local function without_body(handle)
  replace_body(handle, "")
  handle:headers():remove("content-type")
  handle:headers():remove("content-length")
end

local function refused(handle, noted, body)
  local headers = handle:headers()
  local http = headers:get(":status")
  headers:replace("cache-control", "no-store")
  if http == "401" then
    headers:replace("www-authenticate", noted.signed == "yes" and 'Bearer error="invalid_token"' or "Bearer")
  end
  local _, said = members(body)
  local own = said.requestId -- only local_reply_config says it
  local status = own and STATUS_OF_HTTP[http] or not own and STATUSES[tonumber(said.code)] or "UNKNOWN"
  local message, details = said.message, said.details or "[]"
  local seconds = details:match('"retryDelay":"(%d+%.?%d*)s"')
  if seconds then headers:replace("retry-after", ("%d"):format(math.ceil(tonumber(seconds)))) end
  if noted.if_match ~= "" and status == "ABORTED" and details:find('"type":"ETAG"', 1, true) then
    http = "412"
    headers:replace(":status", http)
  end
  if details == "[]" and (tonumber(http) >= 500 or not own) then
    message = '"' .. status .. '"' -- the words of a proxy or a library, and addresses in them, stay inside
  end
  headers:replace("content-type", "application/json")
  replace_body(handle, ('{"code":%s,"message":%s,"status":"%s","details":%s,"requestId":"%s"}'):format(
    http, message or '""', status, details, noted.id or ""))
end

local function answered(handle, noted, method)
  local reads = method.reads or noted.reads == "yes"
  handle:headers():replace("cache-control", method.cache_control or reads and "no-cache" or "no-store")
  if not (method.etag or method.location or method.response_body or method.status) then return end
  local body = text_of_body(handle)
  local headers = handle:headers()
  if method.location then
    local function filled(path) return text_of(body, path) end
    headers:replace("location", (method.location:gsub("{([^}]*)}", filled)))
  end
  local version = method.etag and text_of(body, method.etag) or ""
  if version ~= "" then
    local tag = '"' .. version .. '"'
    headers:replace("etag", tag)
    if reads and noted.if_match ~= "" and noted.if_match ~= "*" and noted.if_match ~= tag then
      headers:replace(":status", "412")
      return replace_body(handle, ('{"code":412,"status":"ABORTED","message":"the entity tag is no longer current",'
        .. '"details":[],"requestId":"%s"}'):format(noted.id))
    end
    if reads and (noted.if_none_match == tag or noted.if_none_match == "*") then
      headers:replace(":status", "304")
      return without_body(handle)
    end
  end
  if method.status then headers:replace(":status", method.status) end
  if method.status == "204" then
    without_body(handle)
  elseif method.response_body then
    replace_body(handle, held(body, method.response_body) or "{}")
  end
end

function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get("rest") or {}
  if noted.grpc then return end
  local headers = handle:headers()
  headers:replace("x-content-type-options", "nosniff")
  headers:replace("referrer-policy", "no-referrer")
  headers:replace("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
  for _, name in ipairs({"grpc-status", "grpc-message", "grpc-status-details-bin"}) do headers:remove(name) end
  if noted.head then return headers:replace("cache-control", "no-store") end -- HEAD has no body to put into shape
  local method = methods[noted.method or ""]
  if tonumber(headers:get(":status")) >= 400 then
    refused(handle, noted, text_of_body(handle))
  elseif method then
    answered(handle, noted, method)
  end
end
