#include "tests/unit/broker-core/storage/faulty_vfs.hpp"

#include "broker-core/base/assert.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>

namespace gw::test {

namespace {

constexpr std::uint64_t sector_bytes = 512;

/// Our file object; the usual layer's stands right behind it.
struct ShimFile {
    sqlite3_file base;
    std::string* path;  // null: a temporary file, which no restart will see

    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

ShimFile* shim(sqlite3_file* file) {
    return reinterpret_cast<ShimFile*>(file);
}

sqlite3_file* real(sqlite3_file* file) {
    return shim(file)->real();
}

sqlite3_vfs* usual() {
    static sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
    return vfs;
}

int code_of(FaultyVfs::Verdict verdict, int io_error) {
    return verdict == FaultyVfs::Verdict::disk_full ? SQLITE_FULL : io_error;
}

int shim_close(sqlite3_file* file) {
    const int code = real(file)->pMethods->xClose(real(file));
    delete shim(file)->path;
    return code;
}

int shim_read(sqlite3_file* file, void* out, int count, sqlite3_int64 offset) {
    return real(file)->pMethods->xRead(real(file), out, count, offset);
}

int shim_write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    FaultyVfs& vfs = FaultyVfs::instance();
    if (shim(file)->path != nullptr) {
        const auto verdict = vfs.on_operation(true);
        if (verdict != FaultyVfs::Verdict::proceed) {
            return code_of(verdict, SQLITE_IOERR_WRITE);
        }
        vfs.on_write(*shim(file)->path, bytes, static_cast<std::uint64_t>(count),
                     static_cast<std::uint64_t>(offset));
    }
    return real(file)->pMethods->xWrite(real(file), bytes, count, offset);
}

int shim_truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultyVfs& vfs = FaultyVfs::instance();
    if (shim(file)->path != nullptr) {
        const auto verdict = vfs.on_operation(false);
        if (verdict != FaultyVfs::Verdict::proceed) {
            return code_of(verdict, SQLITE_IOERR_TRUNCATE);
        }
        vfs.on_truncate(*shim(file)->path, static_cast<std::uint64_t>(size));
    }
    return real(file)->pMethods->xTruncate(real(file), size);
}

int shim_sync(sqlite3_file* file, int) {
    FaultyVfs& vfs = FaultyVfs::instance();
    if (shim(file)->path != nullptr) {
        const auto verdict = vfs.on_operation(false);
        if (verdict != FaultyVfs::Verdict::proceed) {
            return code_of(verdict, SQLITE_IOERR_FSYNC);
        }
        vfs.on_sync(*shim(file)->path);
    }
    return SQLITE_OK;  // the simulated disk has it; the real one need not
}

int shim_file_size(sqlite3_file* file, sqlite3_int64* size) {
    return real(file)->pMethods->xFileSize(real(file), size);
}

int shim_lock(sqlite3_file* file, int level) {
    return real(file)->pMethods->xLock(real(file), level);
}

int shim_unlock(sqlite3_file* file, int level) {
    return real(file)->pMethods->xUnlock(real(file), level);
}

int shim_check_lock(sqlite3_file* file, int* result) {
    return real(file)->pMethods->xCheckReservedLock(real(file), result);
}

int shim_control(sqlite3_file* file, int operation, void* argument) {
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

int shim_sector_size(sqlite3_file*) {
    return static_cast<int>(sector_bytes);
}

int shim_characteristics(sqlite3_file*) {
    return 0;  // promises nothing: sectors may be torn, writes reordered
}

int shim_shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
    return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}

int shim_shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

void shim_shm_barrier(sqlite3_file* file) {
    real(file)->pMethods->xShmBarrier(real(file));
}

int shim_shm_unmap(sqlite3_file* file, int remove) {
    return real(file)->pMethods->xShmUnmap(real(file), remove);
}

const sqlite3_io_methods methods = {
    2,  // without memory mapping, which would pass us by
    shim_close,
    shim_read,
    shim_write,
    shim_truncate,
    shim_sync,
    shim_file_size,
    shim_lock,
    shim_unlock,
    shim_check_lock,
    shim_control,
    shim_sector_size,
    shim_characteristics,
    shim_shm_map,
    shim_shm_lock,
    shim_shm_barrier,
    shim_shm_unmap,
    nullptr,
    nullptr,
};

int vfs_open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* flags_out) {
    ShimFile* one = shim(file);
    one->base.pMethods = nullptr;
    one->path = nullptr;
    const int code = usual()->xOpen(usual(), path, one->real(), flags, flags_out);
    if (code != SQLITE_OK) {
        return code;
    }
    one->base.pMethods = &methods;
    if (path != nullptr) {
        one->path = new std::string{path};
        FaultyVfs::instance().on_open(*one->path);
    }
    return code;
}

int vfs_delete(sqlite3_vfs*, const char* path, int sync_folder) {
    FaultyVfs& vfs = FaultyVfs::instance();
    if (vfs.on_operation(false) != FaultyVfs::Verdict::proceed) {
        return SQLITE_IOERR_DELETE;
    }
    vfs.on_delete(path);
    return usual()->xDelete(usual(), path, sync_folder);
}

sqlite3_vfs* make_vfs() {
    static sqlite3_vfs vfs = *usual();
    vfs.zName = FaultyVfs::name;
    vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + usual()->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.pNext = nullptr;
    return &vfs;
}

}  // namespace

FaultyVfs& FaultyVfs::instance() {
    static FaultyVfs vfs;
    static const int registered = sqlite3_vfs_register(make_vfs(), 0);
    GW_ASSERT(registered == SQLITE_OK);
    return vfs;
}

void FaultyVfs::reset(Fault fault, std::uint64_t at, std::uint64_t seed) {
    const std::scoped_lock lock{mutex_};
    fault_ = fault;
    at_ = at;
    count_ = 0;
    has_struck_ = false;
    random_ = Random{seed};
    files_.clear();
}

void FaultyVfs::heal() {
    const std::scoped_lock lock{mutex_};
    if (!is_off()) {
        fault_ = Fault::none;
    }
}

std::uint64_t FaultyVfs::operation_count() const {
    const std::scoped_lock lock{mutex_};
    return count_;
}

bool FaultyVfs::has_struck() const {
    const std::scoped_lock lock{mutex_};
    return has_struck_;
}

FaultyVfs::Verdict FaultyVfs::on_operation(bool is_write) {
    const std::scoped_lock lock{mutex_};
    ++count_;
    switch (fault_) {
        case Fault::none:
            return Verdict::proceed;
        case Fault::io_error_once:
        case Fault::disk_full_once:
            if (count_ != at_) {
                return Verdict::proceed;
            }
            has_struck_ = true;
            return fault_ == Fault::disk_full_once && is_write ? Verdict::disk_full
                                                               : Verdict::io_error;
        case Fault::io_error_on:
        case Fault::power_loss:
            has_struck_ = has_struck_ || count_ >= at_;
            return has_struck_ ? Verdict::io_error : Verdict::proceed;
    }
    GW_UNREACHABLE();
}

void FaultyVfs::apply(std::vector<std::uint8_t>& to, const Change& change) {
    if (change.is_truncate) {
        to.resize(change.offset);
        return;
    }
    to.resize(std::max<std::size_t>(to.size(), change.offset + change.bytes.size()));
    std::copy(change.bytes.begin(), change.bytes.end(),
              to.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

void FaultyVfs::on_open(const std::string& path) {
    const std::scoped_lock lock{mutex_};
    if (is_off() || files_.contains(path)) {
        return;
    }
    std::ifstream in{path, std::ios::binary};
    files_[path].flushed.assign(std::istreambuf_iterator<char>{in}, {});
}

void FaultyVfs::on_write(const std::string& path, const void* bytes, std::uint64_t count,
                         std::uint64_t offset) {
    const std::scoped_lock lock{mutex_};
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    files_[path].pending.push_back({false, offset, {from, from + count}});
}

void FaultyVfs::on_truncate(const std::string& path, std::uint64_t size) {
    const std::scoped_lock lock{mutex_};
    files_[path].pending.push_back({true, size, {}});
}

void FaultyVfs::on_sync(const std::string& path) {
    const std::scoped_lock lock{mutex_};
    File& file = files_[path];
    for (const Change& change : file.pending) {
        apply(file.flushed, change);
    }
    file.pending.clear();
}

void FaultyVfs::on_delete(const std::string& path) {
    const std::scoped_lock lock{mutex_};
    files_.erase(path);
}

void FaultyVfs::restore_disk() {
    const std::scoped_lock lock{mutex_};
    for (auto& [path, file] : files_) {
        for (const Change& change : file.pending) {
            if (change.is_truncate) {
                if (random_.below(2) == 0) {
                    apply(file.flushed, change);
                }
                continue;
            }
            // A disk writes sectors in any order, each wholly or not at all.
            for (std::size_t at = 0; at < change.bytes.size();) {
                const std::size_t end = std::min<std::size_t>(
                    change.bytes.size(), at + sector_bytes - (change.offset + at) % sector_bytes);
                if (random_.below(2) == 0) {
                    const auto* from = change.bytes.data();
                    apply(file.flushed, {false, change.offset + at, {from + at, from + end}});
                }
                at = end;
            }
        }
        file.pending.clear();
        std::ofstream out{path, std::ios::binary | std::ios::trunc};
        out.write(reinterpret_cast<const char*>(file.flushed.data()),
                  static_cast<std::streamsize>(file.flushed.size()));
        std::filesystem::remove(path + "-shm");
    }
    files_.clear();
    fault_ = Fault::none;
    has_struck_ = false;
}

}  // namespace gw::test
