-- overtaken(key, current, dead): of an entry that may have been made after the client read these stamps, in a cluster
-- whose tags are in other slots: the stamps of the entry. Not so for ``dead``, the stamps that were there before the
-- client read the stamps once more. On one server nothing comes between: then ``dead`` is nil or false.
local function overtaken(key, current, dead)
  if not dead or current == '' then return nil end
  local head = redis.pcall('GETRANGE', key, 0, 17 + #current)
  if type(head) == 'table' then return nil end
  local grace, made = read_entry(head)
  if grace and #made == #current and made ~= current and made ~= dead then return made end
end
