// Compiles HLSL with DXC, Microsoft's compiler, to DXIL and to SPIR-V. It reads lines "FILE ENTRY_POINT" from its
// standard input, relative to the folder FOLDER, writes FILE.dxil and FILE.spv beside FILE, and fails with what the
// compiler says.
//
//   dxc FOLDER PROFILE <entry_points.txt
//
// The header dxcapi.h and the library come with PyPI's source package compushady; tests/hlsl.sh builds this.
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "WinAdapter.h"
#include "dxcapi.h"

namespace {

std::wstring wide(const std::string& text) { return std::wstring(text.begin(), text.end()); }

/// Compiles one text and writes what comes out. Whether it went well.
bool compile(IDxcCompiler3& compiler, const std::string& hlsl, const std::vector<std::wstring>& arguments,
             const std::string& path) {
    std::vector<LPCWSTR> pointers;
    for (const std::wstring& argument : arguments) pointers.push_back(argument.c_str());
    const DxcBuffer source{hlsl.data(), hlsl.size(), DXC_CP_UTF8};
    CComPtr<IDxcResult> result;
    HRESULT status = compiler.Compile(&source, pointers.data(), pointers.size(), nullptr, IID_PPV_ARGS(&result));
    if (SUCCEEDED(status)) result->GetStatus(&status);
    if (FAILED(status)) {
        CComPtr<IDxcBlobUtf8> said;
        if (result) result->GetOutput(DXC_OUT_ERRORS, IID_PPV_ARGS(&said), nullptr);
        std::cerr << path << ": " << (said ? said->GetStringPointer() : "DXC failed") << "\n";
        return false;
    }
    CComPtr<IDxcBlob> object;
    result->GetOutput(DXC_OUT_OBJECT, IID_PPV_ARGS(&object), nullptr);
    if (!object || object->GetBufferSize() == 0) {
        std::cerr << path << ": DXC made nothing\n";
        return false;
    }
    std::ofstream file(path, std::ios::binary);
    file.write(static_cast<const char*>(object->GetBufferPointer()), object->GetBufferSize());
    return file.good();
}

}  // namespace

int main(int count, char** words) {
    if (count != 3) {
        std::cerr << "usage: dxc FOLDER PROFILE <entry_points.txt\n";
        return 2;
    }
    const std::string folder = words[1];
    CComPtr<IDxcCompiler3> compiler;
    if (FAILED(DxcCreateInstance(CLSID_DxcCompiler, IID_PPV_ARGS(&compiler)))) {
        std::cerr << "DXC does not start\n";
        return 1;
    }
    int files = 0, failures = 0;
    std::string name, entry_point;
    while (std::cin >> name >> entry_point) {
        const std::string path = folder + "/" + name;
        std::ifstream file(path);
        const std::string hlsl{std::istreambuf_iterator<char>(file), {}};
        // As wgpu calls it, but with what it warns of.
        const std::vector<std::wstring> arguments{L"-E",  wide(entry_point), L"-T",  wide(words[2]),
                                                  L"-HV", L"2018",           L"-Ges"};
        std::vector<std::wstring> to_spirv = arguments;
        for (const wchar_t* argument : {L"-spirv", L"-fspv-target-env=vulkan1.1"}) to_spirv.push_back(argument);
        failures += !compile(*compiler, hlsl, arguments, path + ".dxil");
        failures += !compile(*compiler, hlsl, to_spirv, path + ".spv");
        files += 1;
    }
    std::cerr << files << " files, " << failures << " failures\n";
    return files > 0 && failures == 0 ? 0 : 1;
}
