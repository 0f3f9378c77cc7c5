-- Asks Portico whether a request may pass, for `http-request lua.forward-auth "?parameters"`. A request that may
-- not gets Portico's own answer; one that may gets the headers that say who it is from. Needs HAProxy 2.6.

local portico = "http://127.0.0.1:3000/api/forward-auth"
-- In the environment of HAProxy: without it, HAProxy gets no token.
local secret = os.getenv("FORWARD_AUTH_SECRET")

-- Headers of the request that say something about its connection or body, which the question does not share.
local not_asked = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["keep-alive"] = true, ["te"] = true,
  ["proxy-connection"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
}
-- Headers of Portico's answer that are about its connection with HAProxy.
local not_answered = {
  ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true,
}

local function to_list(values)
  local list = {}
  for _, value in pairs(values) do table.insert(list, value) end
  return list
end

local function question_about(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not not_asked[name] then headers[name] = to_list(values) end
  end
  headers["x-original-method"] = { txn.sf:method() }
  headers["x-original-uri"] = { txn.sf:pathq() }
  if secret ~= nil then headers["x-forward-auth-secret"] = { secret } end
  return headers
end

local function answer_with(txn, answer)
  local reply = txn:reply()
  reply:set_status(answer.status)
  for name, values in pairs(answer.headers) do
    if not not_answered[name] then
      for _, value in pairs(values) do reply:add_header(name, value) end
    end
  end
  reply:set_body(answer.body)
  txn:done(reply)
end

core.register_action("forward-auth", { "http-req" }, function(txn, parameters)
  local answer = core.httpclient():get { url = portico .. parameters, headers = question_about(txn), timeout = 10000 }
  if answer == nil or answer.status == 0 then
    txn:done(txn:reply { status = 503, reason = "Service Unavailable" })
  elseif answer.status ~= 200 then
    answer_with(txn, answer)
  else
    for name, values in pairs(answer.headers) do
      if name == "authorization" or name:sub(1, 7) == "x-auth-" then
        txn.http:req_set_header(name, to_list(values)[1])
      end
    end
  end
end, 1)
