-- @include lib/tags
-- A guard stands beside a collection: the stamps of its tags | 8 bytes, new whenever all is replaced | a flag
-- for collections that load themselves: L loaded, E loaded and empty. Other stamps: another generation.

-- alive(guard, current): does what stands beside this guard belong to these stamps? Without tags all does.
local function alive(guard, current)
  if guard == '' then return current == '' end
  return (#guard == #current + 8 or #guard == #current + 9) and string.sub(guard, 1, #current) == current
end

-- loaded(guard, current, key): has load() filled this collection, and is what it gave still there?
local function loaded(guard, current, key)
  local flag = string.sub(guard, #current + 9)
  return flag == 'E' or (flag == 'L' and redis.call('EXISTS', key) == 1)
end
