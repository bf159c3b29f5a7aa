-- each(command, key, list, first): run the command over list[first..] in runs that unpack can carry.
-- Gives the sum of the replies. 7000 is even, so pairs stay together; Lua's stack ends below 8000.
local function each(command, key, list, first)
  local sum = 0
  for from = first, #list, 7000 do
    sum = sum + redis.call(command, key, unpack(list, from, math.min(from + 6999, #list)))
  end
  return sum
end
