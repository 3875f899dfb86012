-- Requests whose headers come in ever another order, as those of many clients do: of each order V8 makes other objects, and
-- after some of them it compiles code that takes any. wrk sends the headers of its command line in one order a run, drawn anew.

local requests = {}
local names = {}

function init()
  for name in pairs(wrk.headers) do names[#names + 1] = name end -- Host among them
  table.sort(names)
  for first = 1, #names do
    for second = 1, #names do
      if first ~= second then requests[#requests + 1] = inOrder(first, second) end
    end
  end
end

-- Two of them to the front.
function inOrder(first, second)
  local lines = { "GET " .. wrk.path .. " HTTP/1.1", line(first), line(second) }
  for index = 1, #names do
    if index ~= first and index ~= second then lines[#lines + 1] = line(index) end
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

function line(index)
  return names[index] .. ": " .. wrk.headers[names[index]]
end

local turn = 0
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
