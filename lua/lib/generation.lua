-- @include lib/tags
-- A guard stands beside a collection: the stamps of its tags | 8 bytes | a flag. The bytes are new whenever all
-- content is replaced. The flag is for collections that load themselves: L loaded, E loaded and empty. Other stamps
-- mean another generation.

-- alive(guard, current): whether the collection of this guard belongs to these stamps. Without tags it always does.
local function alive(guard, current)
  if guard == '' then return current == '' end
  return (#guard == #current + 8 or #guard == #current + 9) and string.sub(guard, 1, #current) == current
end

-- loaded(guard, current, key): whether load() has filled this collection, and its content is still there.
local function loaded(guard, current, key)
  local flag = string.sub(guard, #current + 9)
  return flag == 'E' or (flag == 'L' and redis.call('EXISTS', key) == 1)
end
