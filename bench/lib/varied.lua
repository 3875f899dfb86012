-- Requests whose headers come in ever another order, as those of many clients do: of each order V8 makes other objects, and
-- after some of them it compiles code that takes any. wrk sends the headers of its command line in one order a run, drawn anew.

local requests = {}
local names = {}

function init()
  for name in pairs(wrk.headers) do names[#names + 1] = name end
  table.sort(names)
  wrk.headers["Host"] = wrk.headers["Host"] or (wrk.host .. ":" .. wrk.port)
  for first = 1, #names do
    for second = 1, #names do
      if first ~= second then requests[#requests + 1] = inOrder(first, second) end
    end
  end
end

-- Two of them to the front, the host wherever that leaves it.
function inOrder(first, second)
  local order = { names[first], names[second] }
  for index = 1, #names do
    if index ~= first and index ~= second then order[#order + 1] = names[index] end
  end
  table.insert(order, 1 + (first + second) % #order, "Host")
  local lines = { "GET " .. wrk.path .. " HTTP/1.1" }
  local sent = {}
  for _, name in ipairs(order) do
    if not sent[name] then lines[#lines + 1] = name .. ": " .. wrk.headers[name] end
    sent[name] = true
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local turn = 0
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
