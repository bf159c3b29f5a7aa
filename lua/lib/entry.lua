-- number(text, from, to): the big-endian number in these bytes.
local function number(text, from, to)
  local sum = 0
  for i = from, to do sum = sum * 256 + string.byte(text, i) end
  return sum
end

-- read_entry(data): grace in ms and the joined stamps of an entry; nil for bytes that only begin like one.
local function read_entry(data)
  if string.byte(data, 1) ~= 192 then return 0, '' end
  if #data < 18 then return nil end
  local count = number(data, 9, 10)
  if #data < 18 + 8 * count then return nil end
  return number(data, 3, 8), string.sub(data, 19, 18 + 8 * count)
end
