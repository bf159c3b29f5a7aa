-- sum_kind(now, by): the kind of now + by, 'int' or 'float', or nil if now does not read as a number.
-- The patterns are those of the codec's reader, for which '007' and '+5' are text.
local function sum_kind(now, by)
  if not now or now == '0' or (string.find(now, '^%-?[1-9]%d*$') and #now <= 20) then return by end
  if string.find(now, '^%-?%d+%.%d+$') or string.find(now, '^%-?%d+%.?%d*e[+-]%d+$') then return 'float' end
  return nil
end

-- float_sum(a, b): the shortest text that reads back as the sum, as a float; nil for inf and nan.
local function float_sum(a, b)
  local sum = tonumber(a) + tonumber(b)
  if sum ~= sum or sum == math.huge or sum == -math.huge then return nil end
  local text
  for digits = 15, 17 do
    text = string.format('%.' .. digits .. 'g', sum)
    if tonumber(text) == sum then break end
  end
  if not string.find(text, '[.e]') then text = text .. '.0' end
  return text
end
