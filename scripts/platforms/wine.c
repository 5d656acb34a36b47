// What wine lacks of Windows and the package needs, for tests alone: built as bcryptprimitives.dll, which every binary of
// Rust's standard library loads.
//
// - The function from which that library takes its random numbers, which wine 8 does not have.
// - The reservation of space, SetFileInformationByHandle with FileAllocationInfo, which no wine has: here the space is
//   taken by writing zeros. The call is put in the place of the system's in the import tables of what is loaded.

#include <windows.h>
#include <psapi.h>
#include <string.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

static BOOL zeros(HANDLE file, LONGLONG from, LONGLONG to) {
  static const BYTE zero[1 << 16];
  while (from < to) {
    OVERLAPPED at = {.Offset = (DWORD)from, .OffsetHigh = (DWORD)(from >> 32)};
    DWORD len = to - from < (LONGLONG)sizeof zero ? (DWORD)(to - from) : (DWORD)sizeof zero;
    DWORD written;
    if (!WriteFile(file, zero, len, &written, &at)) return FALSE;
    from += written;
  }
  return TRUE;
}

static BOOL WINAPI set_information(HANDLE file, FILE_INFO_BY_HANDLE_CLASS class, LPVOID info, DWORD size) {
  LARGE_INTEGER end;
  if (class != FileAllocationInfo) return SetFileInformationByHandle(file, class, info, size);
  if (!GetFileSizeEx(file, &end)) return FALSE;
  LONGLONG wanted = ((FILE_ALLOCATION_INFO *)info)->AllocationSize.QuadPart;
  if (wanted >= end.QuadPart) return zeros(file, end.QuadPart, wanted);
  // An allocation below the length cuts the file off.
  FILE_END_OF_FILE_INFO shorter = {.EndOfFile.QuadPart = wanted};
  return SetFileInformationByHandle(file, FileEndOfFileInfo, &shorter, sizeof shorter);
}

static void replace_in(BYTE *module) {
  IMAGE_NT_HEADERS *headers = (IMAGE_NT_HEADERS *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
  IMAGE_DATA_DIRECTORY table = headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
  if (table.Size == 0) return;
  for (IMAGE_IMPORT_DESCRIPTOR *from = (void *)(module + table.VirtualAddress); from->Name != 0; from++) {
    if (from->OriginalFirstThunk == 0) continue;
    IMAGE_THUNK_DATA *name = (void *)(module + from->OriginalFirstThunk);
    IMAGE_THUNK_DATA *call = (void *)(module + from->FirstThunk);
    for (; name->u1.AddressOfData != 0; name++, call++) {
      if (IMAGE_SNAP_BY_ORDINAL(name->u1.Ordinal)) continue;
      IMAGE_IMPORT_BY_NAME *import = (void *)(module + name->u1.AddressOfData);
      if (strcmp((char *)import->Name, "SetFileInformationByHandle") != 0) continue;
      if (call->u1.Function == (ULONGLONG)set_information) continue;
      DWORD before;
      VirtualProtect(call, sizeof *call, PAGE_READWRITE, &before);
      call->u1.Function = (ULONGLONG)set_information;
      VirtualProtect(call, sizeof *call, before, &before);
    }
  }
}

static HINSTANCE self;

static void replace(void) {
  HMODULE modules[512];
  DWORD size;
  if (!EnumProcessModules(GetCurrentProcess(), modules, sizeof modules, &size)) return;
  // Wine's own need theirs.
  for (DWORD index = 0; index < size / sizeof *modules; index++) {
    char path[MAX_PATH];
    if (modules[index] == self || GetModuleFileNameA(modules[index], path, sizeof path) == 0) continue;
    if (strstr(path, "\\windows\\") == NULL && strstr(path, "\\Windows\\") == NULL) replace_in((BYTE *)modules[index]);
  }
}

// Asked for by each binary of Rust, early: also by one that is loaded when this is there already.
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T len) {
  replace();
  return SystemFunction036(bytes, (ULONG)len);
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved) {
  (void)reserved;
  self = instance;
  if (reason == DLL_PROCESS_ATTACH) replace();
  return TRUE;
}
